import type { JobState } from 'bullmq'
import type { TaskStatus } from '../../../types/index.ts'
import type { StoredTask } from '../engine.ts'
import type { Answered } from './health-monitor.ts'
import { isTaskId, nameOf } from './ids.ts'
import type { TaskJob } from './job.ts'
import type { AnyQueue } from './store.ts'

interface ListedState {
  readonly state: JobState
  /** The statuses of the tasks in this state. */
  readonly statuses: readonly TaskStatus[]
  readonly oldestFirst: boolean
}

/** BullMQ's states in the order in which tasks are listed. A task that was cancelled before it started is active for a moment, while a worker ends it. */
const states: readonly ListedState[] = [
  { state: 'active', statuses: ['running', 'cancelling', 'cancelled'], oldestFirst: true },
  { state: 'waiting', statuses: ['deferred', 'cancelled'], oldestFirst: true },
  { state: 'prioritized', statuses: ['deferred'], oldestFirst: true },
  { state: 'delayed', statuses: ['deferred'], oldestFirst: true },
  { state: 'failed', statuses: ['failed', 'cancelled'], oldestFirst: false },
  { state: 'completed', statuses: ['completed'], oldestFirst: false }
]

/** The order in which a task goes through the states. */
const moves: readonly JobState[] = ['delayed', 'prioritized', 'waiting', 'active', 'failed', 'completed']
/** The states to which a task goes back when it is tried again, handed over, or taken over from a process that has vanished. */
const movesBack: ReadonlySet<JobState> = new Set<JobState>(['delayed', 'prioritized', 'waiting', 'active'])

/** Turns a job into a task. Undefined if the task is not kept any more. */
type ToTask = (job: TaskJob, state: JobState) => Promise<StoredTask | undefined>

/** Job ids of a state, in the order of its tasks, and whether no more come after them. */
interface Range {
  readonly ids: string[]
  readonly isLast: boolean
}

/** Some ids of a state. Jobs that something else has added to the queue are left out. */
async function readRange (queue: AnyQueue, { state, oldestFirst }: ListedState, start: number, size: number): Promise<Range> {
  const ids = await queue.getRanges([state], start, start + size - 1, oldestFirst)
  return { ids: ids.filter(isTaskId), isLast: ids.length < size }
}

/** The first ids of each state. A job that moved meanwhile counts for the state in which it was read last. */
async function readIds (queue: AnyQueue, wanted: readonly ListedState[], size: number): Promise<Map<JobState, Range>> {
  const inOrder = moves.flatMap(move => wanted.filter(({ state }) => state === move))
  const again = inOrder.filter(({ state }) => movesBack.has(state))
  const all = new Map(wanted.map(({ state }) => [state, { ids: new Set<string>(), isLast: true }]))
  const stateOf = new Map<string, JobState>()
  // One after the other: PostgreSQL answers queries of different connections in any order.
  for (const listed of again.length > 1 ? [...inOrder, ...again] : inOrder) {
    const { ids, isLast } = await readRange(queue, listed, 0, size)
    const range = all.get(listed.state)!
    range.isLast = isLast
    for (const id of ids) {
      range.ids.add(id)
      stateOf.set(id, listed.state)
    }
  }
  return new Map(Array.from(all, ([state, { ids, isLast }]) => [state, { ids: [...ids].filter(id => stateOf.get(id) === state), isLast }]))
}

/** Jobs that are read at the same time: at least, if there are so many, and at most. */
const READ_AT_LEAST = 20
const READ_AT_ONCE = 100

/** The tasks of some jobs, without those that are gone. */
async function readTasks (queue: AnyQueue, toTask: ToTask, ids: string[], state: JobState, answered: Answered): Promise<StoredTask[]> {
  const jobs = await Promise.all(ids.map(id => queue.getJob(id) as Promise<TaskJob | undefined>))
  const tasks = await Promise.all(jobs.filter(job => job !== undefined).map(job => toTask(job, state)))
  answered()
  return tasks.filter(task => task !== undefined)
}

/** The ids of a state, `size()` at a time: those that were read before, then those after the first `start`. */
async function * idsOf (queue: AnyQueue, from: ListedState, { ids, isLast }: Range, start: number, size: () => number): AsyncGenerator<string[]> {
  for (;;) {
    for (let i = 0; i < ids.length;) yield ids.slice(i, i += size())
    if (isLast) return
    ({ ids, isLast } = await readRange(queue, from, start, READ_AT_ONCE))
    start += READ_AT_ONCE
  }
}

/**
 * A page of a queue's tasks. It has every task that exists throughout the call, though tasks move while it is read: the ids are read
 * in the order in which tasks move. No tasks are counted, because that takes PostgreSQL longer the more there are. So the cost of a page
 * depends on what comes before it, not on what comes after.
 */
export async function readPage (
  queue: AnyQueue,
  toTask: ToTask,
  wanted: ReadonlySet<TaskStatus>, offset: number, limit: number,
  answered: Answered
): Promise<StoredTask[]> {
  const page = new Map<string, StoredTask>() // by name: a task that moves on meanwhile may be read twice
  const listed = states.filter(({ statuses }) => statuses.some(status => wanted.has(status)))
  if (limit === 0) return []
  const first = await readIds(queue, listed, offset + limit)
  let skip = offset
  const size = () => Math.min(Math.max(skip + limit - page.size, READ_AT_LEAST), READ_AT_ONCE)
  for (const from of listed) {
    if (page.size >= limit) break
    const { state, statuses } = from
    const { ids, isLast } = first.get(state)!
    // If the last of the tasks before the page is kept, so are those before it: they are newer.
    const before = statuses.every(status => wanted.has(status)) ? ids.slice(0, skip) : []
    const skipped = (await readTasks(queue, toTask, before.slice(-1), state, answered)).length > 0 ? before.length : 0
    skip -= skipped
    for await (const next of idsOf(queue, from, { ids: ids.slice(skipped), isLast }, offset + limit, size)) {
      const tasks = await readTasks(queue, toTask, next, state, answered)
      const matching = tasks.filter(task => wanted.has(task.status))
      for (const task of matching.slice(skip)) page.set(task.name, task)
      skip = Math.max(0, skip - matching.length)
      // Tasks that were cancelled before they started are in front of those that wait.
      if (page.size >= limit || (state === 'waiting' && !wanted.has('deferred') && matching.length === 0)) break
    }
  }
  return [...page.values()].slice(0, limit)
}

/**
 * As `readPage`, of the tasks whose names begin with `name`. An id says its task's name, so jobs that do not match are not read. But
 * the ids of all tasks of these statuses are.
 */
export async function readNamed (
  queue: AnyQueue,
  toTask: ToTask,
  wanted: ReadonlySet<TaskStatus>, offset: number, limit: number, name: string,
  answered: Answered
): Promise<StoredTask[]> {
  const found = new Map<string, StoredTask>()
  const listed = states.filter(({ statuses }) => statuses.some(status => wanted.has(status)))
  const all = await readIds(queue, listed, 0) // BullMQ takes an end of -1 for the last
  for (const { state } of listed) {
    const ids = all.get(state)!.ids.filter(id => (nameOf(id) ?? name).startsWith(name)) // a digest does not say its name
    for (let i = 0; i < ids.length && found.size < offset + limit; i += READ_AT_ONCE) {
      const tasks = await readTasks(queue, toTask, ids.slice(i, i + READ_AT_ONCE), state, answered)
      for (const task of tasks) if (wanted.has(task.status) && task.name.startsWith(name)) found.set(task.name, task)
    }
  }
  return [...found.values()].slice(offset, offset + limit)
}
