import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/**
 * The status of a task.
 *
 * - `deferred`: not started yet. It waits for the app to be ready, or for its `after` reply
 * - `running`: started
 * - `cancelling`: its signal is aborted and its work has not ended yet
 * - `completed`: its work returned
 * - `failed`: its work threw, or timed out
 * - `cancelled`: its work ended with the abort, or never ran
 */
export type TaskStatus = 'deferred' | 'running' | 'cancelling' | 'completed' | 'failed' | 'cancelled'

/** A function as work. It is called with the instance that `addTask` was called on, and with its task. */
export type TaskCallable<T, Instance = FastifyInstance, Data = unknown, Progress = unknown> =
  (app: Instance, task: Task<any, Data, Progress>) => T | PromiseLike<T>

/**
 * A generator function as work. What it yields becomes the progress of its task. What it returns is the result. A cancellation
 * is thrown into it at its next `yield`, as asyncio throws it into a coroutine at its next `await`.
 *
 * An `async function *` goes on at once. A `function *` is for work that computes: the event loop gets a turn whenever such
 * work, all together, has run for 5 ms.
 */
export type TaskGenerator<T, Instance = FastifyInstance, Data = unknown, Progress = unknown, Known = unknown> =
  (app: Instance, task: Task<any, Data, Known>) => TaskGeneratorObject<T, Progress>

/**
 * A generator object as work: what a call of a generator function returns, such as `buildReport(app, 12)`. It has not begun, so it
 * is started, timed out and cancelled like a generator function. If it is refused, it never begins. It is to a generator function
 * what a coroutine object is to a coroutine function in asyncio.
 */
export type TaskGeneratorObject<T, Progress = unknown> = Generator<Progress, T, void> | AsyncGenerator<Progress, T, void>

/** What a task does: a function, a generator function, a generator object, or a promise (any thenable), which nothing can stop. */
export type TaskWork<T, Instance = FastifyInstance, Data = unknown> =
  | TaskGenerator<T, Instance, Data>
  | TaskCallable<T, Instance, Data>
  | TaskGeneratorObject<T>
  | PromiseLike<T>

/** The part of a reply that the option `after` needs. */
export interface TaskReply {
  readonly raw: ServerResponse | Http2ServerResponse
  readonly log: FastifyBaseLogger
}

/** How many tasks of one key may be unsettled, for a limit per user, tenant or file. */
export interface TaskLimit {
  /** Tasks with the same key are counted together. A non-empty string, such as `'user:ada'`. */
  key: string
  /** How many of them may be unsettled, above 0, the new task included. */
  max: number
}

/** Options of `addTask`. */
export interface TaskOptions<Data = unknown> {
  /** A non-empty string. A task with a name stays in `tasks` until it is purged, one without until it has settled. */
  name?: string | undefined
  /** What kind of work it is, for lists and metrics: a non-empty string. Default: the name of the function, if it has one */
  kind?: string | undefined
  /** What the task is about, such as its input or its owner. Any value. It is `task.data`, and never part of the state. */
  data?: Data
  /**
   * What happens when an unsettled task has the name. A settled one is always replaced.
   *
   * - `reject` (default): `addTask` throws `FST_ERR_TASK_DUPLICATE_NAME`
   * - `replace`: that task is cancelled and loses its name, and the new one starts at once
   * - `keep`: `addTask` returns that task, and the new work never runs
   */
  onDuplicate?: 'reject' | 'replace' | 'keep' | undefined
  /** `false` keeps the task out of `tasks` and `getTask`. `app.close()` still cancels it. Default: true */
  register?: boolean | undefined
  /**
   * Refuses the task with `FST_ERR_TASK_LIMIT` (429) if `max` tasks with this key have not settled. That is decided within this
   * call, so two requests cannot both get the last place. A cancelled task counts until its work has ended.
   */
  limit?: TaskLimit | undefined
  /**
   * Milliseconds that the task is kept for `getTask` once it has settled, instead of the plugin's `maxSettledAge`. Tasks with this
   * option are counted apart, so that others cannot push them out: `maxSettled` of them are kept, too.
   */
  maxSettledAge?: number | undefined
  /**
   * When this signal is aborted, the task is cancelled with its reason. If it is aborted already, the task is cancelled at once
   * and the work never runs. Do not pass `request.signal`: Fastify also aborts it while the client still waits, as soon as the body
   * of its request was read.
   */
  signal?: AbortSignal | undefined
  /** Milliseconds that the work may run, above 0. Then it is aborted, and the task fails with `FST_ERR_TASK_TIMEOUT`. Default: Infinity */
  timeout?: number | undefined
  /** A reply. The task starts when its response has been sent or its client has gone, and logs with its logger. */
  after?: TaskReply | undefined
  /** `true` lets the task finish when the app closes, for at most `drainTimeout`, before it is cancelled. Default: false */
  drain?: boolean | undefined
  /** The logger that `task.log` is a child of. Default: that of `after`, else the instance's */
  log?: FastifyBaseLogger | undefined
}

/** Options of `task.cancel`. */
export interface CancelOptions {
  /** Why: an error, or the message of an `AbortError`. It is `signal.reason` and `task.error`. */
  reason?: Error | string | undefined
  /** Milliseconds to wait for the work to end. Default: the plugin's `cancelTimeout` */
  timeout?: number | undefined
}

/** Options of `task.watch`. */
export interface WatchOptions {
  /** Ends the watch. Its next read rejects with an `AbortError` whose cause is the reason, as with `events.on`. */
  signal?: AbortSignal | undefined
  /**
   * The least time between two states, in milliseconds. Changes that come faster become one state, the latest. The first state and
   * the settled one come at once. With Infinity no others come. Default: 0
   */
  interval?: number | undefined
}

/** The states of a task as they change. */
export interface TaskWatch<State = TaskState> extends AsyncIterableIterator<State, undefined> {
  /** Ends it. */
  return (): Promise<IteratorResult<State, undefined>>
  /** Ends it and rejects with `error`. */
  throw (error?: unknown): Promise<never>
}

/** Options of `getTask`. */
export interface GetTaskOptions {
  /** `true`: an unknown name is no error, and `getTask` returns `undefined`. Default: false */
  optional?: boolean | undefined
}

/** Options of `cancelTask`. */
export interface CancelTaskOptions extends CancelOptions, GetTaskOptions {}

/** The state of a task, as a reply sends it. It is JSON. It never contains the data, the result or a stack. */
export interface TaskState<Progress = unknown> {
  id: number
  name: string | undefined
  kind: string | undefined
  status: TaskStatus
  progress: Progress | undefined
  /** When the task was added, in ISO 8601. */
  createdAt: string
  /** When the work started, in ISO 8601. */
  startedAt: string | undefined
  /** When the task settled, in ISO 8601. */
  settledAt: string | undefined
  /** Why the task failed or was cancelled. Undefined for all others. */
  error: { name: string, message: string, code: string | number | undefined } | undefined
}

/**
 * One piece of background work.
 *
 * It follows asyncio's Task (which Sanic's `add_task` returns), with an `AbortSignal` where Python throws into the work.
 * It is not a thenable, so that `async () => app.getTask(name)` replies with its state instead of waiting for it.
 */
export interface Task<T = unknown, Data = unknown, Progress = unknown> extends AsyncDisposable {
  /** Counts up from 1 in each app. */
  readonly id: number
  readonly name: string | undefined
  /** What kind of work it is: the option `kind`, or the name of the function. */
  readonly kind: string | undefined
  /** What `addTask` was given as `data`. */
  readonly data: Data
  readonly status: TaskStatus
  /** Whether it is `completed`, `failed` or `cancelled`. Such a task does not change any more. */
  readonly settled: boolean
  /** What the work returned, once `completed`. */
  readonly result: T | undefined
  /** What the task `failed` with, or the reason it was `cancelled` for. */
  readonly error: unknown
  /**
   * Any JSON value. It is part of the state. You can set it until the task has settled. If the work is a generator, each `yield`
   * sets it. A value that JSON cannot hold is `[unreadable]` in the state.
   */
  progress: Progress | undefined
  /** When the task was added, in milliseconds since the epoch. */
  readonly createdAt: number
  /** When the work started, in milliseconds since the epoch. */
  readonly startedAt: number | undefined
  /** When the task settled, in milliseconds since the epoch. */
  readonly settledAt: number | undefined
  /** A child logger that carries the task's name, or its id if it has none, as `task`. */
  readonly log: FastifyBaseLogger
  /**
   * Aborted when the task is cancelled or times out. It is made when it is first read.
   * See https://nodejs.org/api/globals.html#class-abortsignal
   */
  readonly signal: AbortSignal
  /**
   * A promise of the result. Rejects with what the task failed with, or with the reason it was cancelled for.
   * If no code handles the rejection, it is still no `unhandledRejection`.
   */
  readonly finished: Promise<T>
  /**
   * Aborts `signal` and waits until the task has settled, the work's `finally` blocks included. Resolves however the task
   * settles, and at once if it has settled already. A second call waits for the same cancellation: the first reason counts.
   * After asyncio's `Task.cancel()`.
   *
   * Rejects with `FST_ERR_TASK_CANCEL_TIMEOUT` if the work has not ended within `timeout`. The task then stays
   * `cancelling`. Rejects with `FST_ERR_TASK_INVALID_OPTION` for a bad option. If no code handles the
   * rejection, it is still no `unhandledRejection`.
   */
  readonly cancel: (options?: CancelOptions) => Promise<void>
  /**
   * The task's states, for server-sent events and progress bars. The present state comes at once, then a new one whenever the
   * status or the progress has changed. The settled state comes last. Changes that come faster than you read, or faster than the
   * `interval`, become one state.
   *
   * The watch ends early when the app begins to close, so that an open stream does not hold up the close. If the task runs with
   * `drain: true`, the watch goes on until the task has settled or `drainTimeout` is over. So if the last state is not a settled
   * one, the app is closing.
   *
   * Throws `FST_ERR_TASK_INVALID_OPTION` for a bad option, and an `AbortError` for a signal that is aborted already.
   *
   * @example
   * for await (const { status, progress } of task.watch()) console.log(status, progress)
   */
  readonly watch: (options?: WatchOptions) => TaskWatch<TaskState<Progress>>
  /** The task's state, for replies and logs. */
  readonly toJSON: () => TaskState<Progress>
  /** Cancels the task and drops it from the registry: `await using task = app.addTask(work)`. Rejects as `cancel` does. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** The tasks of an app in the order added: named ones until they are purged, unnamed ones until they settle. */
export interface Tasks extends Iterable<Task<unknown, any>> {
  /** How many there are. */
  readonly size: number
  /**
   * Resolves when all tasks of the app have settled, registered or not, and no `onError` or `onPurged` is pending. If that is so
   * already, it resolves at once. A test awaits it after `app.inject()`. Do not await it in a task, in `onError` or in `onPurged`: it
   * would wait for itself.
   */
  idle (): Promise<void>
  /** The states of the tasks. */
  toJSON (): TaskState[]
}

/** Options of the plugin. */
export interface FastifyTasksOptions {
  /** Milliseconds that a cancelled task gets to end before `cancelTask` and `close()` stop waiting for it. Default: 3000 */
  cancelTimeout?: number | undefined
  /** Milliseconds that tasks with `drain: true` get to finish when the app closes. Default: 5000 */
  drainTimeout?: number | undefined
  /** How many tasks may be unsettled. One more is refused with `FST_ERR_TASK_LIMIT`. Default: Infinity */
  maxTasks?: number | undefined
  /** How many settled tasks with a name are kept for `getTask`. With one more, the one that settled first is purged. Default: 1000 */
  maxSettled?: number | undefined
  /**
   * Milliseconds that a settled task with a name is kept. There is no timer: an expired task is purged when `tasks` or `getTask`
   * is used next, or when another task settles. Default: Infinity
   */
  maxSettledAge?: number | undefined
  /**
   * Called for every failed task, after it was logged. What it throws or rejects with is logged. `tasks.idle()` and
   * `app.close()` wait for a promise that it returns, so it must not await them.
   */
  onError?: ((error: unknown, task: Task<unknown, any>) => void | PromiseLike<void>) | undefined
  /**
   * Called once for every task when it has settled and is not in `tasks` any more: it was purged, it has expired, `maxSettled` pushed
   * it out, another task took its name, or it had no name. The place to delete what belongs to a task, such as a file. What it
   * throws or rejects with is logged. `tasks.idle()` and `app.close()` wait for a promise that it returns, so it must not await
   * them. It is not called for the settled tasks that are still kept when the app closes.
   */
  onPurged?: ((task: Task<unknown, any>) => void | PromiseLike<void>) | undefined
}
