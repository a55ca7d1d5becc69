import type {
  FastifyInstance,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerBase,
  RawServerDefault
} from 'fastify'
import type { FastifyBaseLogger } from 'fastify'
import type { CancelOptions, CancelTaskOptions, GetTaskOptions, TaskLimit, TaskState, TaskStatus, TaskWatch, WatchOptions } from './index.ts'

/** The process that runs a task, or ran it. */
export interface ClusterWorker {
  readonly host: string
  readonly pid: number
}

/** One run of a task that has ended. */
export interface TaskAttempt {
  /** Counts from 1, and from 1 again after a retry. */
  readonly attempt: number
  /** Milliseconds since the epoch, as `endedAt`. */
  readonly startedAt: number | undefined
  readonly endedAt: number
  /** The process that ran it. */
  readonly worker: ClusterWorker | undefined
  /** The error that it ended with. Undefined if it completed. */
  readonly error: TaskState['error']
}

/** A run in the state of a task. Its times are ISO 8601. */
export interface TaskAttemptState extends Omit<TaskAttempt, 'startedAt' | 'endedAt'> {
  readonly startedAt: string | undefined
  readonly endedAt: string
}

/** The state of a cluster task, as a reply sends it: that of the core's tasks, with some more properties. It contains neither the data nor the result. */
export interface ClusterTaskState<Progress = unknown> extends Omit<TaskState, 'progress'> {
  name: string
  kind: string
  progress: Progress | undefined
  /** When a delayed task starts at the earliest. ISO 8601 */
  startsAt: string | undefined
  attempt: number
  maxAttempts: number
  attempts: TaskAttemptState[]
  worker: ClusterWorker | undefined
}

/**
 * A task of the fleet, as it was when it was last read. Its verbs act on this very task, never on a later one with its name. It is not
 * a thenable, so that `async () => app.reports.getTask(name)` replies with its state.
 */
export interface ClusterTask<Result, Data, Progress = unknown> {
  /** A number that no other task with this name has. */
  readonly id: number
  readonly name: string
  readonly kind: string
  readonly status: TaskStatus
  /** Whether it is `completed`, `failed` or `cancelled`. Only a retry changes such a task. */
  readonly settled: boolean
  readonly data: Data
  /** What the work returned, as JSON, once `completed`. */
  readonly result: Result | undefined
  /**
   * What it `failed` with, or the reason it was `cancelled` for. While it waits for its next attempt, what the last one failed with.
   * It has the name, message, code and HTTP status of the error that was thrown, but not its stack. So a reply with it has the same
   * status as in the process that threw it.
   */
  readonly error: (Error & { code?: string | number, statusCode?: number }) | undefined
  /** What the work has yielded or set last. */
  readonly progress: Progress | undefined
  /** The number of the present run, or of the last one. 0 before the first. Runs that were handed over or taken over do not count. */
  readonly attempt: number
  /** How often its work is run at most: the kind's `attempts` when the task was added. */
  readonly maxAttempts: number
  /** Its runs that have ended, the oldest first. The last 10 are kept, also those before a retry, and at most 1 kB of each error. */
  readonly attempts: readonly TaskAttempt[]
  /** Milliseconds since the epoch, as the other three. */
  readonly createdAt: number
  /** When a delayed task starts at the earliest: one with a `delay`, of a schedule, or between two attempts. */
  readonly startsAt: number | undefined
  /** When its worker asked for it, by the worker's clock: it may be a little before `createdAt`, which is by the clock of who added it. */
  readonly startedAt: number | undefined
  /** When its work had ended, by the worker's clock. */
  readonly settledAt: number | undefined
  readonly worker: ClusterWorker | undefined
  /** The task's state, for replies and logs. */
  readonly toJSON: () => ClusterTaskState<Progress>
  /**
   * Reads it again. Resolves to this same object, brought up to date.
   *
   * Rejects with `FST_ERR_TASK_NOT_FOUND` if it is gone, with `FST_ERR_TASK_UNREACHABLE` if the server does not answer.
   */
  readonly refresh: () => Promise<this>
  /**
   * Cancels it wherever it is, and waits until it has settled, the work's `finally` blocks included: as the core's
   * `task.cancel()`, from any process. A task that has not started never runs.
   *
   * Rejects with `FST_ERR_TASK_CANCEL_TIMEOUT` if the work has not ended within `timeout`; it then stays `cancelling`.
   */
  readonly cancel: (options?: CancelOptions) => Promise<void>
  /**
   * Runs a settled task again, under the same name, with its data, its priority and its last progress; its attempts count from
   * 1. If several calls retry it at the same time, in any processes, one of them does. Resolves to this same object, brought up to
   * date; its `finished` is a new promise then.
   *
   * Rejects with `FST_ERR_TASK_DUPLICATE_NAME` if it has not settled or another task has its name, with
   * `FST_ERR_TASK_NOT_FOUND` if it is gone.
   */
  readonly retry: () => Promise<this>
  /**
   * A promise of the result. Rejects with what the task failed with, or with the reason it was cancelled for. A rejection
   * that nobody handles is no `unhandledRejection`.
   */
  readonly finished: Promise<Result>
  /**
   * The task's states: the present one at once, then one whenever its status or progress has changed, the settled one
   * last. Changes that come faster than they are read, or than the `interval`, become one. Ends when the app begins to
   * close. Throws as the core's `task.watch()` does.
   */
  readonly watch: (options?: WatchOptions) => TaskWatch<ClusterTaskState<Progress>>
}

/** A task, as its work gets it. */
export interface RunningTask<Data = unknown, Progress = any> {
  readonly id: number
  readonly name: string
  readonly kind: string
  readonly data: Data
  /** Counts from 1. A run that was handed over or taken over does not count. */
  readonly attempt: number
  readonly status: TaskStatus
  /**
   * Yours to set, any JSON value. Every process can read it, and it is part of the state that replies send. A run begins with the progress of the run before it, so that it can go on
   * from there: after a failure, a hand-over or a takeover.
   */
  progress: Progress | undefined
  readonly createdAt: number
  readonly startedAt: number
  /**
   * Aborted when the task is cancelled (from any process) or times out, and after a hand-over or a takeover. Then the task goes on in
   * another process, and the code of `signal.reason` is `FST_ERR_TASK_HANDED_OVER`.
   */
  readonly signal: AbortSignal
  /** A child logger that carries the task's name and kind. */
  readonly log: FastifyBaseLogger
  /** The state of this run, for logs. */
  readonly toJSON: () => ClusterTaskState<Progress>
}

/** A function as a kind's work. */
export type ClusterCallable<Result = any, Instance = FastifyInstance, Data = any, Progress = any> =
  (app: Instance, task: RunningTask<Data, Progress>) => Result | PromiseLike<Result>

/** A generator function as a kind's work: what it yields becomes the task's progress, and so its checkpoint. */
export type ClusterGenerator<Result = any, Instance = FastifyInstance, Data = any, Progress = any, Known = any> =
  (app: Instance, task: RunningTask<Data, Known>) => Generator<Progress, Result, void> | AsyncGenerator<Progress, Result, void>

/** What the tasks of a kind do: a function or a generator function. As in the core, it gets `(app, task)`. */
export type ClusterWork<Result = any, Instance = FastifyInstance, Data = any, Progress = any> =
  (app: Instance, task: RunningTask<Data, Progress>) =>
    | Result
    | PromiseLike<Result>
    | Generator<Progress, Result, void>
    | AsyncGenerator<Progress, Result, void>

/** How long to wait between two attempts. */
export interface Backoff {
  /** `fixed` (default): always `delay`. `exponential`: `delay`, then twice that, four times … */
  type?: 'fixed' | 'exponential' | undefined
  /** Milliseconds. */
  delay: number
  /** 0 (default) to 1: the share of the delay that is left to chance, so that failures do not come back all at once. */
  jitter?: number | undefined
}

/**
 * Options of `defineTask`. Define a kind with the same options in all processes, from one module that they share: `attempts`, `backoff` and
 * `schema` count in the process that adds a task, the others in the processes that run the kind. A process that defines the kind
 * without `attempts` adds tasks that are tried once.
 */
export interface KindOptions<Task = ClusterTask<any, any, any>, Instance = FastifyInstance> {
  /** How many tasks of this kind one process runs at once. Default: 10 */
  concurrency?: number | undefined
  /** How many tasks of this kind all processes together run at once. Default: no limit */
  globalConcurrency?: number | undefined
  /**
   * All processes together start at most `max` tasks of this kind in `duration` ms. More of them wait. A server counts from the first
   * task that starts, and again from the first after `duration`, so up to twice `max` may start around that change. Not the `limit` of
   * `addTask`, which refuses tasks. Default: no limit
   */
  limit?: { max: number, duration: number } | undefined
  /** How often the work is run at most. An error whose `retry` is `false` is final, and so is a cancellation. Default: 1 */
  attempts?: number | undefined
  /** Milliseconds between two attempts, or a `Backoff`. Default: 0 */
  backoff?: number | Backoff | undefined
  /** Milliseconds that one run may take, above 0; then it fails with `FST_ERR_TASK_TIMEOUT`. Default: Infinity */
  timeout?: number | undefined
  /**
   * Milliseconds within which a task must settle, above 0, with all its attempts and the time that it waits. They count from when the
   * task was added, from the end of its `delay`, from the time of its schedule, or from its retry. A task that runs when they are over
   * is aborted and fails with `FST_ERR_TASK_DEADLINE`, even if attempts are left. A task that waits then fails when its turn comes.
   * Default: Infinity
   */
  deadline?: number | undefined
  /** How often a task is taken over from a process that has vanished. If that happens again, it fails with `FST_ERR_TASK_STALLED`. Default: 2 */
  maxStalls?: number | undefined
  /** How many settled tasks of this kind are kept. Default: the plugin's */
  maxSettled?: number | undefined
  /** Milliseconds that a settled task of this kind is kept. Default: the plugin's */
  maxSettledAge?: number | undefined
  /**
   * Called once a task has settled for good, however it ended: completed, failed after its last attempt, or cancelled, also before it
   * ran. One of the processes that run the kind calls it, at least once, with the instance on which the kind was defined. If it throws
   * or rejects, that is logged like a failed run, and it is called again after 1, 2, 4 … seconds. It is called 10 times at most. A task
   * that has failed may be retried, so leave what its next run needs.
   * `idle()` waits for this call; `finished` and `cancelTask` do not.
   */
  onSettled?: ((app: Instance, task: Task) => void | PromiseLike<void>) | undefined
  /** A JSON schema of the data, compiled by the app's validator: `addTask` refuses what does not match it with `FST_ERR_TASK_INVALID_DATA` (400). */
  schema?: unknown
}

/** Options of a kind's `addTask`. */
export interface AddClusterTaskOptions {
  /** A non-empty string. Default: a UUID, so that every cluster task can be found again. */
  name?: string | undefined
  /**
   * What happens when an unsettled task has the name, in any process. A settled one is always replaced.
   *
   * - `reject` (default): rejects with `FST_ERR_TASK_DUPLICATE_NAME`
   * - `replace`: cancels that task, waits until it has settled (for `cancelTimeout` at most) and adds the new one
   * - `keep`: resolves to that task and adds nothing
   */
  onDuplicate?: 'reject' | 'replace' | 'keep' | undefined
  /**
   * How many unsettled tasks of a key the kind may have, in all processes together, this one included. One more is refused with
   * `FST_ERR_TASK_LIMIT` (429). A settled task that is retried does not count. Not the `limit` of the kind, which makes tasks wait.
   */
  limit?: TaskLimit | undefined
  /** Milliseconds before it may start. Default: 0 */
  delay?: number | undefined
  /** 1 to 2,097,151. The lowest starts first. Tasks without a priority start before all others. */
  priority?: number | undefined
}

/** What `addTasks` takes: the data of each task, and the options of each. */
export type NewClusterTask<Data = unknown> =
  & Omit<AddClusterTaskOptions, 'onDuplicate' | 'limit'>
  & (undefined extends Data ? { data?: Data } : { data: Data })

/** Options of a kind's `tasks`. */
export interface ListOptions {
  /** Default: all */
  status?: TaskStatus | readonly TaskStatus[] | undefined
  /** How many to leave out. Default: 0 */
  offset?: number | undefined
  /** How many at most. Default: 100 */
  limit?: number | undefined
  /** Only tasks whose names begin with this, such as `user:ada:`. The ids of all tasks of these statuses are read for it. Default: all */
  name?: string | undefined
}

/** The statuses of a task that has settled. */
export type SettledStatus = 'completed' | 'failed' | 'cancelled'

/** The statuses of a task that has not settled. */
export type UnsettledStatus = Exclude<TaskStatus, SettledStatus>

/** Options of a kind's `retryTasks`. */
export interface RetryTasksOptions<Result = any, Data = any, Progress = any> {
  /** Which settled tasks. Default: 'failed' */
  status?: SettledStatus | readonly SettledStatus[] | undefined
  /** How many at most. Default: 1000 */
  limit?: number | undefined
  /**
   * Only tasks for which it returns true, such as `task => task.name.startsWith('user:ada:')`. All tasks of these statuses are read for
   * it, and it may be called more than once for a task. Default: all
   */
  which?: ((task: ClusterTask<Result, Data, Progress>) => boolean) | undefined
}

/** Options of a kind's `cancelTasks`. */
export interface CancelTasksOptions<Result = any, Data = any, Progress = any> extends CancelOptions {
  /** Which tasks. Default: ['deferred', 'running'] */
  status?: UnsettledStatus | readonly UnsettledStatus[] | undefined
  /** How many at most. Default: 1000 */
  limit?: number | undefined
  /** Only tasks for which it returns true. See `which` of `retryTasks`. Default: all */
  which?: ((task: ClusterTask<Result, Data, Progress>) => boolean) | undefined
}

/** Options of a kind's `purgeTasks`. */
export interface PurgeTasksOptions<Result = any, Data = any, Progress = any> {
  /** Which settled tasks. Default: all three statuses */
  status?: SettledStatus | readonly SettledStatus[] | undefined
  /** Only tasks that settled at least so many milliseconds ago. Default: all */
  olderThan?: number | undefined
  /** Only the task of this name. Default: all */
  name?: string | undefined
  /** Only tasks for which it returns true. See `which` of `retryTasks`. Default: all */
  which?: ((task: ClusterTask<Result, Data, Progress>) => boolean) | undefined
}

/** How many tasks of a kind settled in one minute. */
export interface SettledCounts {
  /** When the minute began, in ms since the epoch. */
  time: number
  completed: number
  /** Includes those that were `cancelled`. */
  failed: number
}

/** A process that runs the tasks of a kind. */
export interface KindWorker extends ClusterWorker {
  /** Since when, in ms since the epoch. Undefined on PostgreSQL, which does not know it. */
  readonly since: number | undefined
}

/** How many tasks of a kind there are. */
export interface TaskCounts {
  deferred: number
  /** Includes those that are `cancelling`. */
  running: number
  completed: number
  /** Includes those that were `cancelled`. */
  failed: number
}

/** When the tasks of a schedule run: at the times of a cron expression, or every so many milliseconds. */
export type When =
  | {
    /** Five fields, or six with seconds first: numbers, names, `*`, `,`, `-`, `/`, `L` and `#`. It must have a next time, but may come to an end. */
    cron: string
    /** An IANA name. Default: that of the process */
    timeZone?: string | undefined
    every?: undefined
  }
  | { every: number, cron?: undefined, timeZone?: undefined }

/** A schedule, as `schedules()` lists it. */
export interface Schedule<Data = unknown> {
  name: string
  cron?: string
  timeZone?: string
  every?: number
  /** When its next task starts, in ms since the epoch. */
  nextAt: number
  data: Data
}

/** The arguments of a verb that takes data. The data may be left out if its type allows `undefined`. */
type WithData<Data, Rest extends unknown[]> = undefined extends Data ? [data?: Data, ...Rest] : [data: Data, ...Rest]

/**
 * A kind of task: the core's verbs, over all processes. All of them reject with `FST_ERR_TASK_UNREACHABLE` if the server does not
 * answer within `timeout`. They work without `this`: `const { addTask } = kind`.
 */
export interface Kind<Result, Data, Progress = unknown> {
  /** The kind's name. */
  readonly name: string
  /**
   * Adds a task. Resolves once the server has stored it, so that it is not lost.
   *
   * Rejects with `FST_ERR_TASK_INVALID_DATA` for data that is no JSON or does not match the kind's schema,
   * `FST_ERR_TASK_INVALID_OPTION` for options it does not take, `FST_ERR_TASK_DUPLICATE_NAME` if an unsettled task has the
   * name, `FST_ERR_TASK_CLOSED` once the app closes.
   */
  readonly addTask: (...args: WithData<Data, [options?: AddClusterTaskOptions]>) => Promise<ClusterTask<Result, Data, Progress>>
  /**
   * Adds many: a hundred without a name in one round trip. If names are taken it rejects with `FST_ERR_TASK_DUPLICATE_NAME`, which
   * lists these names. The others are added.
   */
  readonly addTasks: (tasks: readonly NewClusterTask<Data>[]) => Promise<ClusterTask<Result, Data, Progress>[]>
  /**
   * Finds a task by its name. Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown one, unless `optional`. An empty name is unknown, here and
   * in all verbs that look for one; one that is no string is `FST_ERR_TASK_INVALID_OPTION`.
   */
  readonly getTask: GetClusterTask<Result, Data, Progress>
  /** Cancels the task that has this name now: `task.cancel()`, found by name. Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown one, unless `optional`. */
  readonly cancelTask: (name: string, options?: CancelTaskOptions) => Promise<void>
  /**
   * Runs a settled task again: `task.retry()`, found by name. Rejects with `FST_ERR_TASK_DUPLICATE_NAME` if it has not settled,
   * with `FST_ERR_TASK_NOT_FOUND` for an unknown one, unless `optional`.
   */
  readonly retryTask: GetClusterTask<Result, Data, Progress>
  /**
   * Runs many settled tasks again, a batch at a time; resolves to how many. If it is interrupted, call it again.
   *
   * Rejects with `FST_ERR_TASK_INVALID_OPTION` for options it does not take, such as a status of a task that has not settled, and
   * if `which` returns a promise.
   */
  readonly retryTasks: (options?: RetryTasksOptions<Result, Data, Progress>) => Promise<number>
  /**
   * Cancels many tasks, a batch at a time, and waits until they have settled; resolves to how many were cancelled.
   *
   * Rejects with `FST_ERR_TASK_CANCEL_TIMEOUT` if some work has not ended within `timeout`: its message says how many tasks have not
   * stopped and how many were cancelled. Rejects with `FST_ERR_TASK_INVALID_OPTION` for options it does not take, such as a status of
   * a task that has settled, and if `which` returns a promise.
   */
  readonly cancelTasks: (options?: CancelTasksOptions<Result, Data, Progress>) => Promise<number>
  /**
   * Drops settled tasks: all, those that the options name, or those for which `which(task)` is true. A function alone is `{ which }`.
   * Resolves to how many were dropped.
   *
   * Rejects with `FST_ERR_TASK_INVALID_OPTION` for options it does not take, such as a status of a task that has not settled, and
   * if `which` returns a promise.
   */
  readonly purgeTasks: (which?: PurgeTasksOptions<Result, Data, Progress> | ((task: ClusterTask<Result, Data, Progress>) => boolean)) => Promise<number>
  /**
   * Ends the delay of a task: its `delay`, or the back-off before its next attempt. Does nothing to a task that is not delayed, or to
   * the next task of a schedule. Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown one, unless `optional`.
   */
  readonly promoteTask: GetClusterTask<Result, Data, Progress>
  /** A page of its tasks: running, then deferred (the next to start first), then failed and cancelled, then completed (the latest first). */
  readonly tasks: (options?: ListOptions) => Promise<ClusterTask<Result, Data, Progress>[]>
  /** How many there are of each status. */
  readonly count: () => Promise<TaskCounts>
  /** How many settled in each of the last 60 minutes, the oldest first. */
  readonly history: () => Promise<SettledCounts[]>
  /**
   * How many milliseconds the oldest of the tasks that may start has waited; 0 if none waits. On a server only the tasks that start
   * next are looked at: one with a higher `priority` may have waited longer.
   */
  readonly latency: () => Promise<number>
  /** The processes that run tasks of this kind. */
  readonly workers: () => Promise<KindWorker[]>
  /**
   * Sets a schedule. At each of its times one task runs in the whole fleet, named `<name>@<its time, ISO 8601>`. Every process may
   * set it at start. A process that sets other times or other data changes them for all.
   */
  readonly scheduleTask: (name: string, when: When, ...args: WithData<Data, [options?: Pick<AddClusterTaskOptions, 'priority'>]>) => Promise<void>
  /** Ends a schedule, and takes back its next task. Rejects with `FST_ERR_TASK_NOT_FOUND` for an unknown one, unless `optional`. */
  readonly unscheduleTask: (name: string, options?: GetTaskOptions) => Promise<void>
  readonly schedules: () => Promise<Schedule<Data>[]>
  /** No process starts a task of this kind until `resume()`. What runs goes on. */
  readonly pause: () => Promise<void>
  readonly resume: () => Promise<void>
  /** Whether it is paused, by any process. */
  readonly isPaused: () => Promise<boolean>
  /**
   * Resolves as soon as no task of the kind is unsettled and no call of its `onSettled` is pending, in any process; at once if that is so
   * already. A call that has failed and is to be made again is pending. Rejects with an `AbortError` if the app closes meanwhile. For
   * tests, and for scripts that end. Do not await it in the work or in `onSettled`: it would wait for itself.
   */
  readonly idle: () => Promise<void>
}

export interface GetClusterTask<Result, Data, Progress> {
  (name: string, options?: { optional?: false | undefined }): Promise<ClusterTask<Result, Data, Progress>>
  (name: string, options: GetTaskOptions): Promise<ClusterTask<Result, Data, Progress> | undefined>
}

/** The type of data that a schema takes, as the app's type provider infers it. */
type Validated<Provider extends FastifyTypeProvider, Schema> = (Provider & { schema: Schema })['validator']

/** `app.cluster`: the kinds of task that this process knows. */
export interface Cluster<Instance = FastifyInstance, Provider extends FastifyTypeProvider = FastifyTypeProviderDefault> extends Iterable<Kind<any, any, any>> {
  /**
   * Defines a kind of task: its name, its work, and how it is to run. The work gets the instance on which it was defined.
   *
   * @throws `FST_ERR_TASK_KIND_DEFINED` for a kind that is defined already, or once the app is ready;
   * `FST_ERR_TASK_INVALID_OPTION` and `FST_ERR_TASK_INVALID_WORK` for bad arguments.
   *
   * @example
   * const reports = app.cluster.defineTask('report', async (app, task: RunningTask<{ month: number }>) => {
   *   return await build(task.data.month, { signal: task.signal })
   * }, { attempts: 3 })
   */
  defineTask<Result, Progress, const Schema = unknown, Data = Validated<Provider, Schema>> (
    kind: string, work: ClusterGenerator<Result, Instance, Data, Progress>, options?: KindOptions<ClusterTask<any, NoInfer<Data>, any>, Instance> & { schema?: Schema }
  ): Kind<Result, Data, Progress>
  defineTask<Result, Progress, const Schema = unknown, Data = Validated<Provider, Schema>> (
    kind: string, work: ClusterGenerator<Result, Instance, Data, Progress, Progress>, options?: KindOptions<ClusterTask<any, NoInfer<Data>, any>, Instance> & { schema?: Schema }
  ): Kind<Result, Data, Progress>
  defineTask<Result, const Schema = unknown, Data = Validated<Provider, Schema>, Progress = unknown> (
    kind: string, work: ClusterCallable<Result, Instance, Data, Progress>, options?: KindOptions<ClusterTask<any, NoInfer<Data>, any>, Instance> & { schema?: Schema }
  ): Kind<Awaited<Result>, Data, Progress>
  /** The kind of this name. @throws `FST_ERR_TASK_UNKNOWN_KIND` if this process has not defined it; the message names the nearest kind, or lists all */
  getKind<Result = any, Data = any, Progress = any> (kind: string): Kind<Result, Data, Progress>
  /** Resolves if the server answers within `timeout`, for probes. Rejects with `FST_ERR_TASK_UNREACHABLE`. */
  ping (): Promise<void>
}

/** Options of the plugin. */
export interface ClusterOptions {
  /**
   * Where the tasks are stored: a URL (`redis://`, `rediss://`, `postgres://`, `postgresql://`), as a string or a `URL`, BullMQ's
   * connection options, an ioredis client or cluster, or a `pg.Pool`. None: in this process, and they end with it.
   */
  connection?: string | object | undefined
  /**
   * Keeps apps apart that share a server: the prefix of Redis keys, the schema of PostgreSQL. Two apps with the same prefix and a kind of
   * the same name run each other's tasks. Default: `tasks`
   */
  prefix?: string
  /** What this process runs: `true` all kinds, `false` none, or the names of kinds. `false` and `[]` need a `connection`. Default: true */
  work?: boolean | readonly string[] | undefined
  /** How many settled tasks of each kind are kept. Default: 1000 */
  maxSettled?: number | undefined
  /** Milliseconds that a settled task is kept. Default: Infinity */
  maxSettledAge?: number | undefined
  /** Milliseconds that cancelled work gets to end before `cancelTask` and `close()` stop waiting. Default: 3000 */
  cancelTimeout?: number | undefined
  /** Milliseconds that running tasks get to finish when the app closes, before they are handed over. Default: 5000 */
  drainTimeout?: number | undefined
  /** Milliseconds that a process may be silent before others take over its tasks, at least 1000. Default: 30000 */
  stallTimeout?: number | undefined
  /** Milliseconds that a verb waits for the server before it rejects with `FST_ERR_TASK_UNREACHABLE`. Default: 5000 */
  timeout?: number | undefined
  /** PostgreSQL: whether `ready()` runs BullMQ's migrations. Default: true */
  migrate?: boolean | undefined
  /** BullMQ's telemetry, such as that of `bullmq-otel`. */
  telemetry?: object | undefined
}

declare module 'fastify' {
  interface FastifyInstance<
    RawServer extends RawServerBase = RawServerDefault,
    RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
    RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
    Logger extends FastifyBaseLogger = FastifyBaseLogger,
    TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault
  > {
    /** The kinds of task of the fleet. */
    readonly cluster: Cluster<FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>, TypeProvider>
  }
}
