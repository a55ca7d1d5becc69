import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'

/**
 * Where a task is in its life.
 *
 * - `deferred`: not started yet; it waits for the app to be ready, or for its `after` reply
 * - `running`: started
 * - `cancelling`: its signal is aborted, its work has not ended yet
 * - `completed`: its work returned
 * - `failed`: its work threw, or timed out
 * - `cancelled`: its work ended with the abort, or never ran
 */
export type TaskStatus = 'deferred' | 'running' | 'cancelling' | 'completed' | 'failed' | 'cancelled'

/**
 * What a task does: a callable, or a promise (any thenable) of something that runs already.
 *
 * A callable gets the instance that `addTask` was called on, and its task. A promise can be tracked, not stopped.
 */
export type TaskWork<T, Instance = FastifyInstance> =
  | ((app: Instance, task: Task) => T | PromiseLike<T>)
  | PromiseLike<T>

/** What a task needs of the reply that it comes after. */
export interface TaskReply {
  readonly raw: ServerResponse | Http2ServerResponse
  readonly log: FastifyBaseLogger
}

/** Options of `addTask`. */
export interface TaskOptions {
  /** Non-empty. A named task stays in `tasks` until it is purged, an unnamed one until it has settled. */
  name?: string | undefined
  /**
   * What happens when an unsettled task holds the name (a settled one is always replaced):
   *
   * - `reject` (default): `addTask` throws `FST_ERR_TASK_DUPLICATE_NAME`
   * - `replace`: the holder is cancelled and loses its name; the new task starts at once
   * - `keep`: `addTask` returns the holder; the new work never runs
   */
  onDuplicate?: 'reject' | 'replace' | 'keep' | undefined
  /** `false` keeps the task out of `tasks` and `getTask`; closing the app still takes care of it. Default: true */
  register?: boolean | undefined
  /** Cancels the task with its reason. Aborted already, the task is born cancelled and its work never runs. */
  signal?: AbortSignal | undefined
  /** Milliseconds that the work may run, above 0; then it is aborted and fails with `FST_ERR_TASK_TIMEOUT`. Default: Infinity */
  timeout?: number | undefined
  /** A reply: the task starts once its response has been sent or its client has gone, and logs with its logger. */
  after?: TaskReply | undefined
  /** `true` lets the task finish when the app closes, for at most `drainTimeout`, before it is cancelled. Default: false */
  drain?: boolean | undefined
  /** The logger that `task.log` is a child of. Default: that of `after`, else the instance's */
  log?: FastifyBaseLogger | undefined
}

/** Options of `task.cancel`. */
export interface CancelOptions {
  /** Why: an error, or the message of an `AbortError`. Becomes `signal.reason` and `task.error`. */
  reason?: Error | string | undefined
  /** Milliseconds to wait for the work to end. Default: the plugin's `cancelTimeout` */
  timeout?: number | undefined
}

/** Options of `getTask`. */
export interface GetTaskOptions {
  /** `true` answers an unknown name with `undefined` instead of an error. Default: false */
  optional?: boolean | undefined
}

/** Options of `cancelTask`. */
export interface CancelTaskOptions extends CancelOptions, GetTaskOptions {}

/** A task's state as it is replied with: JSON, without the result and without stacks. */
export interface TaskState {
  id: number
  name: string | undefined
  status: TaskStatus
  progress: unknown
  /** ISO 8601, as the other two. */
  createdAt: string
  startedAt: string | undefined
  settledAt: string | undefined
  /** Of a failed or cancelled task. */
  error: { name: string, message: string, code: string | number | undefined } | undefined
}

/**
 * One piece of background work, from `addTask` until it has settled.
 *
 * It follows asyncio's Task (which Sanic's `add_task` returns), with an `AbortSignal` where Python throws into the work.
 * It is not a thenable, so that `async () => app.getTask(name)` replies with its state instead of waiting for it.
 */
export interface Task<T = unknown> extends AsyncDisposable {
  /** Counts up from 1 in each app. */
  readonly id: number
  readonly name: string | undefined
  readonly status: TaskStatus
  /** Whether it is `completed`, `failed` or `cancelled`, which is for good. */
  readonly settled: boolean
  /** What the work returned, once `completed`. */
  readonly result: T | undefined
  /** What it `failed` with, or the reason it was `cancelled` for. */
  readonly error: unknown
  /** Yours to set, any JSON value; part of the state. */
  progress: unknown
  /** Milliseconds since the epoch, as the other two. */
  readonly createdAt: number
  readonly startedAt: number | undefined
  readonly settledAt: number | undefined
  /** A child logger that carries the task's name, or its id if it has none, as `task`. */
  readonly log: FastifyBaseLogger
  /** Aborted when the task is cancelled or times out. Made when first looked at. See https://nodejs.org/api/globals.html#class-abortsignal */
  readonly signal: AbortSignal
  /**
   * A promise of the result. Rejects with what the task failed with, or with the reason it was cancelled for.
   * A rejection that nobody looks at is no `unhandledRejection`.
   */
  readonly finished: Promise<T>
  /**
   * Aborts `signal` and waits until the task has settled, the work's `finally` blocks included. Resolves however it
   * settles, and at once if it has. Called again it waits for the same cancellation; the first reason counts.
   * After asyncio's `Task.cancel()`.
   *
   * Rejects with `FST_ERR_TASK_CANCEL_TIMEOUT` if the work has not ended within `timeout`; the task then stays
   * `cancelling`. Rejects with `FST_ERR_TASK_INVALID_OPTION` for options it does not take.
   */
  readonly cancel: (options?: CancelOptions) => Promise<void>
  /** The task's state, for replies and logs. */
  readonly toJSON: () => TaskState
  /** Cancels the task and drops it from the registry: `await using task = app.addTask(work)`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

/** The tasks of an app in the order added: named ones until they are purged, unnamed ones until they settle. */
export interface Tasks extends Iterable<Task> {
  /** How many there are. */
  readonly size: number
  /**
   * Resolves as soon as no task of the app is unsettled, registered or not; at once if none is. What a test awaits after
   * `app.inject()`.
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
  /** Unsettled tasks at most; one more is refused with `FST_ERR_TASK_LIMIT`. Default: Infinity */
  maxTasks?: number | undefined
  /** Settled, named tasks that are kept for `getTask`; beyond it the one that settled first is purged. Default: 1000 */
  maxSettled?: number | undefined
  /** Called for every failed task, after it was logged. What it throws or rejects with is logged. */
  onError?: ((error: unknown, task: Task) => void) | undefined
}
