import type { ClusterWorker, KindWorker, SettledCounts, TaskAttempt, TaskCounts, When } from '../../types/cluster.ts'
import type { TaskLimit, TaskState, TaskStatus } from '../../types/index.ts'

/** An error as it is stored and sent: what survives the way between processes. */
export type StoredError = NonNullable<TaskState['error']> & {
  /** The HTTP status of a reply with this error. */
  readonly statusCode?: number | undefined
}

/** A task as an engine stores it. All values are JSON; all times are ms since the epoch. A snapshot: nobody changes it. */
export interface StoredTask {
  readonly name: string
  /** Tells it apart from the tasks that have had its name before and after. */
  readonly id: number
  /** How often it was retried: a cancellation is of one try, and does not reach the next. */
  readonly retries: number
  readonly status: TaskStatus
  readonly data: unknown
  /** What its work has told of last, this run or one before. Undefined before the first. */
  readonly progress: unknown
  /** Of a completed task. */
  readonly result: unknown
  /** Of a failed or cancelled task; of a deferred one, what its last run failed with. */
  readonly error: StoredError | undefined
  /** 0 before its first run, then counts from 1. Runs that were handed over or taken over do not count. */
  readonly attempt: number
  /** Runs at most. */
  readonly maxAttempts: number
  /** The last `MAX_ATTEMPTS_KEPT` runs that have ended, the oldest first. */
  readonly attempts: readonly TaskAttempt[]
  readonly createdAt: number
  /** While it is delayed: by `delay`, by its schedule, or by the back-off between two attempts. */
  readonly startsAt: number | undefined
  /** When it was to start for the first time: as it was added, after its `delay`, or by its schedule. After a retry: when it was retried. */
  readonly dueAt: number
  /** When its latest run started. Undefined for a task that never ran. */
  readonly startedAt: number | undefined
  readonly settledAt: number | undefined
  /** Who runs it, or ran it last. */
  readonly worker: ClusterWorker | undefined
}

/** How many of a task's runs are remembered. */
export const MAX_ATTEMPTS_KEPT = 10
/** Bytes of the message of a run's error, and of its name and code, that are remembered. */
const MAX_MESSAGE = 800
const MAX_WORD = 80

/** A task to be added. */
export interface NewTask {
  readonly name: string
  readonly id: number
  /** No other task can have this name, so the store need not be asked whether it is taken. */
  readonly unique: boolean
  readonly data: unknown
  /** ms; 0: it may start at once. */
  readonly delay: number
  /** How many tasks of a key may be unsettled, this one included. */
  readonly limit?: TaskLimit | undefined
  /** 0: before all that have one; then 1 (first) to 2,097,151. Equal ones start in the order added. */
  readonly priority: number
}

/** What became of a task to be added: it is stored, or the unsettled task `holder` has its name and nothing has changed. */
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

/** The start of a text that takes so many bytes at most. */
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
  /** It has not stopped, and nobody waits for it any more: called for what `stop` answers. */
  abandon (): void
}

/**
 * Starts the work of a task in this process. `progressed` is called, synchronously, whenever there is a new
 * progress; the engine reads it with `progress()` when it is ready to store it, and once more when the run has ended.
 */
export type Run = (task: StoredTask, progressed: () => void) => Running

/** Called once a task has settled for good; again if it rejects. */
export type OnSettled = (task: StoredTask) => Promise<void>

/** How often `OnSettled` is tried at most, and the milliseconds after the first failure. Each wait is twice the one before. */
export const SETTLED_TRIES = 10
export const SETTLED_BACKOFF = 1000

/** How the tasks of a kind are to run. Complete and checked. */
export interface QueueSettings {
  readonly concurrency: number
  /** Infinity: none. */
  readonly globalConcurrency: number
  readonly limit: { readonly max: number, readonly duration: number } | undefined
  /** Runs at most. */
  readonly attempts: number
  readonly backoff: { readonly type: 'fixed' | 'exponential', readonly delay: number, readonly jitter: number }
  /** How often it may be taken over from a process that has vanished. */
  readonly maxStalls: number
  /** Settled tasks that are kept; the one that settled first goes first. Infinity: all. */
  readonly maxSettled: number
  /** ms that a settled task is kept. Infinity: for ever. */
  readonly maxSettledAge: number
  /**
   * Called for each task that has settled, by one process of those that work the queue, at least once: also for one that was cancelled
   * before it ran. Undefined: nobody wants to know.
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

/**
 * The tasks of one kind.
 *
 * Every operation that returns a promise, but `work` and `stop`, rejects with `FST_ERR_TASK_UNREACHABLE` if the server has
 * not answered within the plugin's `timeout`.
 */
export interface Queue {
  /**
   * Adds tasks; the answers are in the order of the tasks. The store decides on each name: a task is added if no unsettled
   * task has its name, and of many that are added at once, by whomever, exactly one is. A settled holder of the name is
   * dropped for the new one. One task and a hundred cost about the same.
   *
   * A task with a `limit` is added alone. The store decides on that, too: it rejects with `FST_ERR_TASK_LIMIT` if as many tasks of the
   * key are unsettled. A task that was retried does not count.
   */
  add (tasks: readonly NewTask[]): Promise<Added[]>

  /**
   * The task that has this name now, or had it last. With an `id`: that very task, though another may have its name by now or
   * it may have been dropped. How a task ended that lost its name is remembered for the last few holders of a name, and for as
   * long as somebody watches the name. Its data need not be.
   */
  get (name: string, id?: number): Promise<StoredTask | undefined>

  /**
   * A page of the tasks whose status is one of `statuses`: running and cancelling ones, then deferred ones (the next to
   * start first: those that wait before those that are delayed), then failed and cancelled ones, then completed ones (the
   * latest settled first, both). With a `name`: of those whose names begin with it, at a cost that depends on how many tasks there are.
   */
  list (statuses: ReadonlySet<TaskStatus>, offset: number, limit: number, name?: string): Promise<StoredTask[]>

  /** `running` counts those that are cancelling, `failed` those that were cancelled. */
  count (): Promise<TaskCounts>

  /** Whether no task is unsettled. */
  isIdle (): Promise<boolean>

  /** Drops all settled tasks; returns how many. */
  purge (): Promise<number>

  /** Drops the task of this name and id, if it has settled; returns whether it did. */
  drop (name: string, id: number): Promise<boolean>

  /**
   * Makes a settled task deferred again, with its id, data, priority and last progress; its attempts count from 1. Of many that
   * do so at once one does. Without an id it is the task that has the name. Returns the task as it is then and whether this call
   * has retried it; undefined if there is none.
   */
  retry (name: string, id?: number): Promise<{ readonly task: StoredTask, readonly retried: boolean } | undefined>

  /** Ends the delay of a deferred task, but not of the next task of a schedule; returns the task as it is then, delayed before or not. */
  promote (name: string): Promise<StoredTask | undefined>

  /** How many settled in each of the last 60 minutes, the oldest first. */
  history (): Promise<SettledCounts[]>

  /** ms that the oldest task that may start has waited; 0 if there is none. */
  latency (): Promise<number>

  /** The processes that work the queue. */
  workers (): Promise<KindWorker[]>

  /**
   * Cancels the task of this name and id; without an id, whichever has the name now. One that has not started has settled
   * as `cancelled` with `reason` once this resolves, and never runs. One that runs is told, wherever it runs: it is
   * `cancelling` then and `Running.abort` is called with `reason`; its outcome decides how it ends, but it is not tried
   * again. The first reason counts. Returns the task as it is then, or undefined if it is gone. Idempotent: the caller calls
   * it again from time to time until the task has settled.
   */
  cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined>

  /** As `cancel`, and says whether no other such call has cancelled this task before. It costs some round trips more. */
  cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined>

  /**
   * Has a task run at the times of `when`, named `<name>@<its time, ISO 8601>`, with that time as its id. Another schedule
   * of that name is changed. The next task of a schedule is stored already, as a deferred one that `startsAt` its time; the
   * one after it is stored when that one starts.
   */
  schedule (name: string, when: When, data: unknown, priority: number): Promise<void>

  /** Ends a schedule and drops its deferred task. Returns whether there was one. */
  unschedule (name: string): Promise<boolean>

  /** All schedules, the next to start first. */
  schedules (): Promise<StoredSchedule[]>

  /** No task starts until `resume`, in any process. */
  pause (): Promise<void>
  resume (): Promise<void>
  isPaused (): Promise<boolean>

  /**
   * Calls `changed` whenever the task of this name may have changed its status or progress (without a name: any task), and
   * once as soon as it watches, so that whoever reads the task at each call misses nothing. It may be called once too often,
   * never too rarely. Returns how to leave. It holds no process.
   */
  watch (name: string | undefined, changed: () => void | Promise<void>): () => void

  /** Starts giving this process tasks, `concurrency` at once. Resolves when it does. */
  work (run: Run): Promise<void>

  /**
   * Takes no more tasks; gives those that run here `drainTimeout` ms; then aborts and hands them over: whatever aborted work
   * ends with but `completed`, its task goes back to the front of the queue, its last progress stored, its attempt not counted.
   * A run that was told to cancel ends as cancelled instead. Resolves `cancelTimeout` ms after that at the latest. On an engine
   * whose tasks end with the process there is nobody to hand them over to: they settle as cancelled, those that are deferred too.
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

/** Where tasks live. It knows nothing of Fastify. */
export interface Engine {
  /** The queue of a kind. Called once a kind, before `open` or after it; its operations are called after `open`. */
  queue (kind: string, settings: QueueSettings): Queue

  /** Connects; called again after a failure. Rejects with `FST_ERR_TASK_UNREACHABLE` if the server has not answered within the plugin's `timeout`. */
  open (): Promise<void>

  /** Warns if this process may take much of what the server has for all. Called once all kinds that it works are worked. */
  checkConnections (): Promise<void>

  /** Resolves if the server answers. */
  ping (): Promise<void>

  /** Leaves the server, after all queues have stopped. Also after an `open` that has failed. Never rejects, and never waits for long. */
  close (): Promise<void>
}
