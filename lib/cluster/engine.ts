import type { ClusterWorker, KindWorker, SettledCounts, TaskAttempt, TaskCounts, When } from '../../types/cluster.ts'
import type { TaskLimit, TaskState, TaskStatus } from '../../types/index.ts'

/** An error, as it is stored and sent between processes. */
export type StoredError = NonNullable<TaskState['error']> & {
  /** The HTTP status of a reply with this error. */
  readonly statusCode?: number | undefined
}

/** A task as an engine stores it. All values are JSON; all times are ms since the epoch. A snapshot: nobody changes it. */
export interface StoredTask {
  readonly name: string
  /** A number that no other task with this name has. */
  readonly id: number
  /** How often it was retried. A cancellation applies to one try: to the task until its next retry. */
  readonly retries: number
  readonly status: TaskStatus
  readonly data: unknown
  /** What its work has yielded or set last, in this run or one before. */
  readonly progress: unknown
  /** Of a completed task. */
  readonly result: unknown
  /** Of a failed or cancelled task; of a deferred one, what its last run failed with. */
  readonly error: StoredError | undefined
  /** 0 before its first run, then counts from 1. Runs that were handed over or taken over do not count. */
  readonly attempt: number
  /** How often its work is run at most. */
  readonly maxAttempts: number
  /** The last `MAX_ATTEMPTS_KEPT` runs that have ended, the oldest first. */
  readonly attempts: readonly TaskAttempt[]
  readonly createdAt: number
  /** While it is delayed: by `delay`, by its schedule, or by the back-off between two attempts. */
  readonly startsAt: number | undefined
  /** When it was first due: when it was added, after its `delay`, or at the time of its schedule. After a retry: when it was retried. */
  readonly dueAt: number
  /** When its latest run started. Undefined for a task that never ran. */
  readonly startedAt: number | undefined
  readonly settledAt: number | undefined
  /** The process that runs it, or ran it last. */
  readonly worker: ClusterWorker | undefined
}

/** How many of a task's runs are remembered. */
export const MAX_ATTEMPTS_KEPT = 10
/** How many bytes are remembered of the message of a run's error, and how many of its name and of its code. */
const MAX_MESSAGE = 800
const MAX_WORD = 80

/** A task to be added. */
export interface NewTask {
  readonly name: string
  readonly id: number
  /** No other task can have this name, so the store need not be asked whether it is taken. */
  readonly unique: boolean
  readonly data: unknown
  /** Milliseconds until it may start. */
  readonly delay: number
  /** How many tasks of a key may be unsettled, this one included. */
  readonly limit?: TaskLimit | undefined
  /** 1 (starts first) to 2,097,151. 0 for none: such a task starts before all others. Tasks of the same priority start in the order added. */
  readonly priority: number
}

/** What became of a task that was to be added. If `added`, it is stored. If not, `task` is the unsettled task that has its name. */
export interface Added {
  readonly task: StoredTask
  readonly added: boolean
}

/** A task that is cancelled, and whether this call was the first to do so. */
export interface Cancelled {
  readonly task: StoredTask
  readonly isFirst: boolean
}

/** How a run has ended. */
export type Outcome =
  | { readonly status: 'completed', readonly result: unknown }
  /** `final`: not to be tried again, however many attempts are left. */
  | { readonly status: 'failed', readonly error: StoredError, readonly final: boolean }
  /** It ended with an abort. */
  | { readonly status: 'cancelled', readonly error: StoredError }

/** A run that has ended, as it is remembered. Frozen: every reader of the task gets this same object. */
export function attemptOf ({ outcome, ...run }: Omit<TaskAttempt, 'error'> & { readonly outcome: Outcome }): TaskAttempt {
  if (outcome.status === 'completed') return Object.freeze({ ...run, error: undefined })
  const { name, message, code } = outcome.error
  const error = { name: cut(name, MAX_WORD), message: cut(message, MAX_MESSAGE), code: typeof code === 'string' ? cut(code, MAX_WORD) : code }
  return Object.freeze({ ...run, error: Object.freeze(error) })
}

/** The start of a text, of so many bytes at most. */
function cut (text: string, bytes: number): string {
  const all = Buffer.from(text)
  return all.length <= bytes ? text : all.subarray(0, bytes).toString().replace(/\uFFFD$/, '')
}

/** A run of a task in this process, as its engine sees it. */
export interface Running {
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  /** A copy of the last progress that was JSON; undefined if there is none. Never throws. */
  progress (): unknown
  /** Aborts its signal, once: for a cancellation, or with `FST_ERR_TASK_HANDED_OVER` because another process goes on with the task. */
  abort (reason: Error): void
  /** Called for a run that has not stopped in time: nobody waits for it any more. */
  abandon (): void
}

/**
 * Starts the work of a task in this process. `progressed` is called, synchronously, whenever there is a new
 * progress; the engine reads it with `progress()` when it is ready to store it, and once more when the run has ended. With a `refusal`
 * the work is not called: the run fails with that error, so that it is logged and reported as all failures are.
 */
export type Run = (task: StoredTask, progressed: () => void, refusal?: Error) => Running

/** Called once a task has settled for good; again if it rejects. */
export type OnSettled = (task: StoredTask) => Promise<void>

/** How often `OnSettled` is tried at most, and the milliseconds after the first failure. Each wait is twice the one before. */
export const SETTLED_TRIES = 10
export const SETTLED_BACKOFF = 1000

/** How the tasks of a kind are to run. Complete and checked. */
export interface QueueSettings {
  readonly concurrency: number
  /** Infinity: no limit. */
  readonly globalConcurrency: number
  readonly limit: { readonly max: number, readonly duration: number } | undefined
  /** How often a task is run at most. */
  readonly attempts: number
  readonly backoff: { readonly type: 'fixed' | 'exponential', readonly delay: number, readonly jitter: number }
  /** How often it may be taken over from a process that has vanished. */
  readonly maxStalls: number
  /** How many settled tasks are kept. The one that settled first is dropped first. Infinity: all are kept. */
  readonly maxSettled: number
  /** ms that a settled task is kept. Infinity: for ever. */
  readonly maxSettledAge: number
  /**
   * Called for each task that has settled, also for one that was cancelled before it ran. One of the processes that work the queue
   * calls it, at least once. Whoever watches the queue is notified when no call is pending any more.
   */
  readonly onSettled?: OnSettled | undefined
}

/** A schedule as an engine stores it. */
export interface StoredSchedule {
  readonly name: string
  readonly when: When
  readonly data: unknown
  readonly nextAt: number
}

/** Called at a change of a task. A promise that it returns is waited for by a poll. Resolves to false if the task could not be read. */
export type Changed = () => void | Promise<void | boolean>

/**
 * The tasks of one kind.
 *
 * Every operation that returns a promise, except `work` and `stop`, rejects with `FST_ERR_TASK_UNREACHABLE` if the server has
 * not answered within the plugin's `timeout`.
 */
export interface Queue {
  /**
   * Adds tasks. The results are in the order of the tasks. A task is added if no unsettled task has its name. The store decides that:
   * if several processes add a name at the same time, exactly one task is added. A settled task with that name is dropped. A hundred
   * tasks with `unique` names cost about as much as one.
   *
   * A task with a `limit` is added alone. Rejects with `FST_ERR_TASK_LIMIT` if as many tasks of the key are unsettled, in all processes
   * together. A task that was retried does not count.
   */
  add (tasks: readonly NewTask[]): Promise<Added[]>

  /**
   * The task that has this name. With an `id`: that very task, even if it has lost its name to another task or was dropped. How such a
   * task ended is remembered for the last few tasks of a name, and for as long as somebody watches the name. Its data may be lost.
   */
  get (name: string, id?: number): Promise<StoredTask | undefined>

  /**
   * A page of the tasks whose status is one of `statuses`: running and cancelling ones, then deferred ones (the next to
   * start first: those that wait before those that are delayed), then failed and cancelled ones, then completed ones (the
   * latest settled first, both). With a `name`: only tasks whose names begin with it. The cost then depends on how many tasks there are.
   */
  list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name?: string): Promise<StoredTask[]>

  /** `running` includes those that are cancelling, `failed` those that were cancelled. */
  count (): Promise<TaskCounts>

  /** Whether no task is unsettled and no call of `onSettled` is pending, in any process. A call that is to be tried again is pending. */
  isIdle (): Promise<boolean>

  /** Drops all settled tasks; returns how many. */
  purge (): Promise<number>

  /** Drops the task of this name and id, if it has settled; returns whether it did. */
  drop (name: string, id: number): Promise<boolean>

  /**
   * Makes a settled task deferred again, with its id, data, priority and last progress. Its attempts count from 1. If
   * several calls retry it at the same time, one of them does. Without an id: the task that has the name now. Returns the task as it is
   * then and whether this call has retried it; undefined if there is none.
   */
  retry (name: string, id?: number): Promise<{ readonly task: StoredTask, readonly retried: boolean } | undefined>

  /** Ends the delay of a deferred task, but not of the next task of a schedule. Returns the task as it is then, even if it was not delayed. */
  promote (name: string): Promise<StoredTask | undefined>

  /** How many settled in each of the last 60 minutes, the oldest first. */
  history (): Promise<SettledCounts[]>

  /** How many ms the oldest of the tasks that may start has waited; 0 if none waits. */
  latency (): Promise<number>

  /** The processes that work the queue. */
  workers (): Promise<KindWorker[]>

  /**
   * Cancels the task of this name and id; without an id, the task that has the name now. A task that has not started has settled as
   * `cancelled` with `reason` once this resolves, and never runs. A running task becomes `cancelling`, and the process that runs it
   * calls `Running.abort` with `reason`. Its outcome decides how it ends, but it is not tried again. The first reason counts. Returns
   * the task as it is then, or undefined if it is gone. Idempotent: the caller repeats the call from time to time until the task has
   * settled.
   */
  cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined>

  /** As `cancel`, and returns whether this was the first such call to cancel the task. It takes some more round trips. */
  cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined>

  /**
   * Sets a schedule. At each time of `when` a task runs, named `<name>@<its time, ISO 8601>`, with that time as its id. A schedule
   * that has this name is changed. The next task of a schedule is always stored, as a deferred one that `startsAt` its time. When it
   * starts, the one after it is stored.
   */
  schedule (name: string, when: When, data: unknown, priority: number): Promise<void>

  /** Ends a schedule and drops its next task. Returns whether there was one. */
  unschedule (name: string): Promise<boolean>

  /** All schedules, the next to start first. */
  schedules (): Promise<StoredSchedule[]>

  /** No task starts until `resume`, in any process. */
  pause (): Promise<void>
  resume (): Promise<void>
  isPaused (): Promise<boolean>

  /**
   * Calls `changed` whenever the status or progress of the task of this name may have changed (without a name: of any task), and once
   * as soon as it watches. A caller that reads the task at each call misses no change. Some calls may come without a change. Returns a
   * function that ends the watch.
   */
  watch (name: string | undefined, changed: Changed): () => void

  /** Starts to run tasks in this process, `concurrency` at once. Resolves once it does. */
  work (run: Run): Promise<void>

  /**
   * Takes no more tasks, and gives those that run here `drainTimeout` ms. Then it aborts and hands over the rest: unless the work still
   * completes, its task goes back to the front of the queue, with its last progress stored and its attempt not counted. A run that was
   * cancelled before ends as cancelled. Resolves `cancelTimeout` ms later at the latest. The engine without a server has no process to
   * hand tasks over to: they settle as cancelled, deferred ones too.
   */
  stop (drainTimeout: number, cancelTimeout: number): Promise<Stopped>
}

/** What became of the tasks of a queue that has stopped: their names. */
export interface Stopped {
  /** They go on in another process. */
  readonly handedOver: readonly string[]
  /** They have ended with the process. */
  readonly cancelled: readonly string[]
  /** They have not stopped. */
  readonly left: readonly string[]
}

/** Where tasks are stored and run. It knows nothing of Fastify. */
export interface Engine {
  /** The server with its host and port, for a log line. Undefined without a server. */
  readonly place?: string

  /** The queue of a kind. Called once for each kind, before `open` or after it. Operations of the queue are called after `open`. */
  queue (kind: string, settings: QueueSettings): Queue

  /** Connects; called again after a failure. Rejects with `FST_ERR_TASK_UNREACHABLE` if the server has not answered within the plugin's `timeout`. */
  open (): Promise<void>

  /** Warns if this process may open many of the connections that the server allows. Called once its workers have started. */
  checkConnections (): Promise<void>

  /** Resolves if the server answers. */
  ping (): Promise<void>

  /** Leaves the server, after all queues have stopped. Also after an `open` that has failed. Never rejects, and never waits for long. */
  close (): Promise<void>
}
