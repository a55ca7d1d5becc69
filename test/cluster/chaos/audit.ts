import type { TaskAttempt } from '../../../lib/cluster/index.ts'
import type { Entry } from './ledger.ts'
import type { ChaosProgress } from './member.ts'

/** A run of a task in a process. */
interface Run {
  run: string
  pid: number
  started: number
  attempt: number
  /** The progress with which it begins: how much was done, and by which run. */
  done: number
  from: string | undefined
  /** Infinity while nothing is known of its end. */
  ended: number
  how: 'ended' | 'threw' | 'aborted' | 'killed' | undefined
}

/** What the ledgers say about one task. */
interface Told {
  id: number
  name: string
  added: boolean
  runs: Run[]
  cancelAsked: boolean
  cancelDone: { at: number, status: string }[]
}

/** What the queue says about one task. */
export interface Listed {
  id: number
  name: string
  status: string
  settled: boolean
  startedAt: number | undefined
  result: unknown
  code: string | number | undefined
  progress: ChaosProgress | undefined
  attempt: number
  attempts: readonly TaskAttempt[]
  /** The process that ran it. */
  pid: number | undefined
}

/** The progress of a task, as it was read while the task ran. */
export interface Seen {
  at: number
  id: number
  progress: ChaosProgress
}

export interface Audit {
  counts: Record<string, number>
  /** What is wrong. */
  problems: string[]
}

/** Times of lines and of signals differ by this much without a fault. */
const BLUR = 5

/** Compares what the queue says in the end with what the work wrote while it ran. */
export function audit (entries: readonly Entry[], listed: readonly Listed[], seen: readonly Seen[], { maxStalls, stallTimeout, isShared }: { maxStalls: number, stallTimeout: number, isShared: (name: string) => boolean }): Audit {
  const problems: string[] = []
  const tasks = readTasks(entries)
  const holders = new Map(listed.map(task => [task.name, task]))
  const countOf = (wanted: Entry['what']) => entries.filter(({ what }) => what === wanted).length
  const outages = readOutages(entries, stallTimeout)
  const freezes = readFreezes(entries)
  /** Its process was frozen, or stood still by itself, while it ran, or just after it: others may have taken the task over. */
  const wasFrozen = (run: Run) => freezes.some(({ pid, from, to }) => pid === run.pid && run.started < to && run.ended > from - stallTimeout)
  const counts: Record<string, number> = { tasks: tasks.size, kills: countOf('killed'), freezes: countOf('frozen') }
  /**
   * Its process was given the task, was frozen, and began after that: others may have run the task meanwhile. So this run neither settled
   * the task nor used up an attempt.
   */
  const beganLate = (run: Run, by: Run | undefined) => run !== by && run.how !== 'threw' &&
    freezes.some(({ pid, to }) => pid === run.pid && run.started >= to && run.started < to + stallTimeout)
  /** The tasks without the runs that began late. */
  const onTime: Told[] = []
  const seenById = groupBy(seen, ({ id }) => id)
  const count = (what: string) => { counts[what] = (counts[what] ?? 0) + 1 }

  for (const task of tasks.values()) {
    const label = `"${task.name}" (${task.id})`
    const problem = (what: string) => { problems.push(`${what}: ${label} ${JSON.stringify(task.runs.map(({ pid, started, ended, how }) => ({ pid, started, ended, how })))}`) }
    const holder = holders.get(task.name)
    const state = holder?.id === task.id ? holder : undefined
    const by = state === undefined ? undefined : settledBy(task, state)
    const runs = task.runs.filter(run => !beganLate(run, by))
    onTime.push({ ...task, runs })
    if (runs.length < task.runs.length) count('tasks of which a run began late')

    if (state !== undefined) {
      count(state.status)
      if (!state.settled) problem(`unsettled (${state.status})`)
      const ends = new Set(task.cancelDone.map(({ status }) => status).concat(state.status))
      if (ends.size > 1) problem(`ended as ${[...ends].join(' and ')}`)
      if (state.status === 'completed' && by?.how !== 'ended' && by?.how !== 'killed') problem('completed with the result of a run that has not ended')
      for (const what of by === undefined ? [] : staleWrites(task, state, by)) problem(`stale write, ${what}`)
      if (state.status === 'cancelled') {
        if (!task.cancelAsked && !isShared(task.name)) problem('cancelled by nobody')
        if (state.startedAt === undefined) {
          count('cancelled before they started')
          if (runs.length > 0) problem('cancelled before it started, and ran')
        }
      }
      if (state.status === 'failed') {
        const stalls = task.runs.filter(run => run.how === 'killed' || wasFrozen(run)).length
        if (state.code === 'FST_ERR_TASK_STALLED' ? stalls <= maxStalls : by?.how !== 'threw' && by?.how !== 'killed') problem(`failed without a reason (${state.code})`)
      }
    } else if (holder !== undefined && (isShared(task.name) || task.runs.some(({ how }) => how === 'ended'))) {
      count('replaced') // an add is repeated if its process died before it answered
    } else if (task.added) problem(holder === undefined ? 'lost' : 'another has its name')

    for (const { at } of task.cancelDone) {
      if (runs.some(({ started }) => started > at + BLUR)) problem('ran after it was cancelled')
    }
    for (const what of stepsBack(task, seenById.get(task.id) ?? [], state)) problem(`stale write, ${what}`)
    runs.forEach((run, i) => {
      count('runs')
      const next = runs[i + 1]
      const frozen = wasFrozen(run)
      if (frozen) count('runs that were frozen')
      const shaken = frozen || outages.some(({ from, to }) => run.started < to && run.ended > from)
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
        const killed = entries.some(({ what, pid, at }) => what === 'killed' && pid === run.pid && at - run.ended < stallTimeout)
        if (!killed && !shaken) problem('ran again after its end')
      }
    })
  }

  if (problems.length > 0) problems.push(`the server was away: ${JSON.stringify(outages)}`)
  for (const [one, other] of heldTwice(onTime, wasFrozen)) problems.push(`a name held twice: "${one.name}" by ${one.id} and ${other.id}`)
  return { counts, problems }
}

function readTasks (entries: readonly Entry[]): Map<number, Told> {
  const tasks = new Map<number, Told>()
  const runs = new Map<string, Run>()
  for (const { what, at, pid, id, name, run, attempt, done, from, status } of entries) {
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
      const started: Run = { run: run!, pid, started: at, attempt: attempt!, done: done!, from, ended: Infinity, how: undefined }
      runs.set(run!, started)
      task.runs.push(started)
    } else Object.assign(runs.get(run!)!, { how: what, ended: at })
  }
  return tasks
}

/** The run that settled the task. Undefined for a task that no run settled: it was cancelled or has stalled too often. */
function settledBy ({ runs }: Told, { status, result, code }: Listed): Run | undefined {
  const by = status === 'completed' ? (result as { run?: string } | undefined)?.run : code
  return runs.find(({ run }) => run === by)
}

/** Finds settled tasks that show values of another run than the one that settled them. */
function staleWrites ({ runs }: Told, { status, result, progress, attempt, attempts, pid }: Listed, by: Run): string[] {
  const found: string[] = []
  if (progress?.run !== by.run) found.push(`the progress is of ${progress?.run}, and ${by.run} settled the task`)
  const done = (result as { done?: number } | undefined)?.done
  if (status === 'completed' && progress?.done !== done) found.push(`the progress is ${progress?.done}, and the run ended at ${done}`)
  if (pid !== by.pid) found.push(`the worker is ${pid}, and ${by.run} settled the task`)
  if (attempt !== by.attempt) found.push(`the attempt is ${attempt}, and ${by.run} was ${by.attempt}`)
  if (attempts.some((each, i) => each.attempt !== i + 1) || attempts.length !== attempt) found.push(`the attempts are ${attempts.map(each => each.attempt)}`)
  attempts.forEach(({ attempt, error, worker }, i) => {
    const run = i === attempts.length - 1 ? by : runs.find(({ run }) => run === error?.code)
    if (run?.attempt !== attempt || run.pid !== worker?.pid) found.push(`attempt ${attempt} is told to be of ${worker?.pid}, and ${run?.run} was it`)
  })
  return found
}

/** Finds tasks whose progress went back: to that of an earlier run, or to less than before. */
function stepsBack ({ runs }: Told, seen: readonly Seen[], state: Listed | undefined): string[] {
  const inherited = runs.flatMap(({ started, done, from }) => from === undefined ? [] : [{ at: started, progress: { done, run: from } }])
  const last = state?.progress === undefined ? [] : [{ at: Infinity, progress: state.progress }]
  const orderOf = (wanted: string) => runs.findIndex(({ run }) => run === wanted)
  // A value is written down some time after it was read, so the lines are not in the order of the reads.
  return [[...seen, ...last], [...inherited, ...last]].flatMap(all => all.slice(1).flatMap(({ progress }, i) => {
    const { progress: before } = all[i]!
    const back = orderOf(progress.run) < orderOf(before.run) || progress.done < before.done
    return back ? [`the progress was ${before.done} of ${before.run}, and then ${progress.done} of ${progress.run}`] : []
  }))
}

function readFreezes (entries: readonly Entry[]) {
  return entries.filter(({ what }) => what === 'frozen' || what === 'stood still').map(({ at, pid, until }) => {
    const thawed = entries.find(entry => entry.what === 'thawed' && entry.pid === pid && entry.at > at)
    return { pid, from: at, to: until ?? thawed?.at ?? Infinity }
  })
}

/** The time in which a server was away, with some time before for answers on a busy machine, and some after until expired locks are noticed. */
function readOutages (entries: readonly Entry[], stallTimeout: number) {
  return entries.filter(({ what }) => what === 'stopped').map(({ at }) => {
    const back = entries.find(entry => entry.what === 'back' && entry.at > at)
    return { from: at - stallTimeout, to: (back?.at ?? Infinity) + 2 * stallTimeout }
  })
}

/** Tasks of one name that ran at the same time. A process that was frozen learns only after it that its task has settled. */
function heldTwice (tasks: Told[], wasFrozen: (run: Run) => boolean): [Told, Told][] {
  const found: [Told, Told][] = []
  const byName = groupBy(tasks, ({ name }) => name)
  for (const same of byName.values()) {
    for (const [i, one] of same.entries()) {
      for (const other of same.slice(i + 1)) {
        const overlap = one.runs.some(a => !wasFrozen(a) && other.runs.some(b => !wasFrozen(b) && a.started < b.ended - BLUR && b.started < a.ended - BLUR))
        if (overlap) found.push([one, other])
      }
    }
  }
  return found
}

function groupBy<Key, Value> (values: Iterable<Value>, keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>()
  for (const value of values) {
    const group = groups.get(keyOf(value))
    if (group === undefined) groups.set(keyOf(value), [value])
    else group.push(value)
  }
  return groups
}
