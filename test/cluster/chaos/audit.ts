import type { Entry } from './ledger.ts'

/** A run of a task in a process. */
interface Run {
  run: string
  pid: number
  started: number
  attempt: number
  done: number
  /** Infinity while nothing is known of its end. */
  ended: number
  how: 'ended' | 'threw' | 'aborted' | 'killed' | undefined
}

/** All that the ledgers say of one task. */
interface Told {
  id: number
  name: string
  added: boolean
  runs: Run[]
  cancelAsked: boolean
  cancelDone: { at: number, status: string }[]
}

/** What the queue says of one task. */
export interface Listed {
  id: number
  name: string
  status: string
  settled: boolean
  startedAt: number | undefined
  result: unknown
  code: string | number | undefined
}

export interface Audit {
  counts: Record<string, number>
  /** What must not be. */
  problems: string[]
}

/** Clocks of lines and of signals are told apart no better. */
const BLUR = 5

/** Holds what the queue says in the end against what the work wrote as it went. */
export function audit (entries: readonly Entry[], listed: readonly Listed[], { maxStalls, stallTimeout, isShared }: { maxStalls: number, stallTimeout: number, isShared: (name: string) => boolean }): Audit {
  const problems: string[] = []
  const tasks = readTasks(entries)
  const holders = new Map(listed.map(task => [task.name, task]))
  const kills = entries.filter(({ what }) => what === 'killed').length
  const outages = readOutages(entries, stallTimeout)
  const counts: Record<string, number> = { tasks: tasks.size, kills }
  const count = (what: string) => { counts[what] = (counts[what] ?? 0) + 1 }

  for (const task of tasks.values()) {
    const label = `"${task.name}" (${task.id})`
    const problem = (what: string) => { problems.push(`${what}: ${label} ${JSON.stringify(task.runs.map(({ pid, started, ended, how }) => ({ pid, started, ended, how })))}`) }
    const holder = holders.get(task.name)
    const state = holder?.id === task.id ? holder : undefined

    if (state !== undefined) {
      count(state.status)
      if (!state.settled) problem(`unsettled (${state.status})`)
      const ends = new Set(task.cancelDone.map(({ status }) => status).concat(state.status))
      if (ends.size > 1) problem(`ended as ${[...ends].join(' and ')}`)
      if (state.status === 'completed') {
        const run = task.runs.find(({ run }) => run === (state.result as { run?: string } | undefined)?.run)
        if (run?.how !== 'ended' && run?.how !== 'killed') problem('completed with the result of a run that has not ended')
      }
      if (state.status === 'cancelled') {
        if (!task.cancelAsked && !isShared(task.name)) problem('cancelled by nobody')
        if (state.startedAt === undefined) {
          count('cancelled before they started')
          if (task.runs.length > 0) problem('cancelled before it started, and ran')
        }
      }
      if (state.status === 'failed') {
        const killed = task.runs.filter(({ how }) => how === 'killed').length
        if (state.code === 'FST_ERR_TASK_STALLED' ? killed <= maxStalls : task.runs.at(-1)?.how !== 'threw') problem(`failed without a reason (${state.code})`)
      }
    } else if (holder !== undefined && (isShared(task.name) || task.runs.some(({ how }) => how === 'ended'))) {
      count('replaced') // an add whose process died before it answered is repeated
    } else if (task.added) problem(holder === undefined ? 'lost' : 'another has its name')

    for (const { at } of task.cancelDone) {
      if (task.runs.some(({ started }) => started > at + BLUR)) problem('ran after it was cancelled')
    }
    task.runs.forEach((run, i) => {
      count('runs')
      const next = task.runs[i + 1]
      const shaken = outages.some(({ from, to }) => run.started < to && run.ended > from)
      if (run.how === 'killed') count('runs that a kill ended')
      if (run.how === undefined) problem('left running')
      if (run.how === 'aborted' && !task.cancelAsked && !isShared(task.name)) {
        count('runs that lost their task')
        if (!shaken) problem('lost by a process that lived')
      }
      if (next === undefined) return
      if (next.started < run.ended - BLUR && !shaken) problem('runs twice at once')
      if (run.how === 'ended') {
        count('ran again after their end')
        const killed = entries.some(({ what, pid, at }) => what === 'killed' && pid === run.pid && at - run.ended < 1000)
        if (!killed && !shaken) problem('ran again after its end')
      }
    })
  }

  if (problems.length > 0) problems.push(`the server was away: ${JSON.stringify(outages)}`)
  for (const [one, other] of heldTwice([...tasks.values()])) problems.push(`a name held twice: "${one.name}" by ${one.id} and ${other.id}`)
  return { counts, problems }
}

function readTasks (entries: readonly Entry[]): Map<number, Told> {
  const tasks = new Map<number, Told>()
  const runs = new Map<string, Run>()
  for (const { what, at, pid, id, name, run, attempt, done, status } of entries) {
    if (what === 'killed') {
      for (const open of runs.values()) {
        if (open.pid === pid && open.how === undefined) Object.assign(open, { how: 'killed', ended: at })
      }
    }
    if (id === undefined) continue
    let task = tasks.get(id)
    if (task === undefined) tasks.set(id, task = { id, name: name!, added: false, runs: [], cancelAsked: false, cancelDone: [] })
    if (what === 'added') task.added = true
    else if (what === 'cancel asked') task.cancelAsked = true
    else if (what === 'cancel done') task.cancelDone.push({ at, status: status! })
    else if (what === 'started') {
      const started: Run = { run: run!, pid, started: at, attempt: attempt!, done: done!, ended: Infinity, how: undefined }
      runs.set(run!, started)
      task.runs.push(started)
    } else Object.assign(runs.get(run!)!, { how: what, ended: at })
  }
  return tasks
}

/** While a server is away, and for as long as it takes then until the locks that have ended meanwhile are noticed. */
function readOutages (entries: readonly Entry[], stallTimeout: number) {
  return entries.filter(({ what }) => what === 'stopped').map(({ at }) => {
    const back = entries.find(entry => entry.what === 'back' && entry.at > at)
    return { from: at - 1000, to: (back?.at ?? Infinity) + 2 * stallTimeout }
  })
}

/** Tasks of one name that ran at the same time. */
function heldTwice (tasks: Told[]): [Told, Told][] {
  const found: [Told, Told][] = []
  const byName = groupByName(tasks)
  for (const same of byName.values()) {
    for (const [i, one] of same.entries()) {
      for (const other of same.slice(i + 1)) {
        const overlap = one.runs.some(a => other.runs.some(b => a.started < b.ended - BLUR && b.started < a.ended - BLUR))
        if (overlap) found.push([one, other])
      }
    }
  }
  return found
}

function groupByName (tasks: Told[]): Map<string, Told[]> {
  const groups = new Map<string, Told[]>()
  for (const task of tasks) groups.set(task.name, [...groups.get(task.name) ?? [], task])
  return groups
}
