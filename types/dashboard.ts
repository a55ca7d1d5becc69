import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Task } from './index.ts'

/**
 * What someone is about to do on the dashboard.
 *
 * - `view`: see a task in lists and counts, or look at it
 * - `inspect`: read its data and result, the stack and the causes of its error
 * - `cancel`: cancel it, or many of a kind
 * - `retry`: run a settled task of the fleet again, or many of a kind
 * - `promote`: start a delayed task of the fleet at once
 * - `purge`: drop it once it has settled, or many of a kind
 * - `pause`: pause or resume a kind of the fleet
 * - `schedule`: run a schedule of the fleet now, or remove it
 */
export type DashboardAction = 'view' | 'inspect' | 'cancel' | 'retry' | 'promote' | 'purge' | 'pause' | 'schedule'

/** A hook that lets people in, or replies or throws. */
export type DashboardHook = (...args: Parameters<onRequestHookHandler>) => void | Promise<unknown>

/**
 * What `authorize` is asked about: a task of this process, or one of the fleet. For a kind of the fleet as a whole (its
 * counts, chart and schedules, pausing, everything done to many at once) it has only `kind`. For the chart of this process it is empty.
 */
export type DashboardSubject = Partial<Pick<Task,
  'id' | 'name' | 'kind' | 'data' | 'status' | 'settled' | 'progress' | 'result' | 'error' | 'createdAt' | 'startedAt' | 'settledAt'>>

/** Says who may do what. A method's type, so that one that takes a `Task` as the task will do. */
export type DashboardAuthorize = {
  authorize (request: FastifyRequest, action: DashboardAction, task: DashboardSubject): boolean | Promise<boolean>
}['authorize']

/** Options of `fastify-tasks/dashboard`. */
export interface FastifyTasksDashboardOptions {
  /**
   * A hook, or several, that lets people in: `app.basicAuth`, `app.auth([…])`. It guards every route of the dashboard.
   * `false` opens the page to everyone. Required: without it the registration rejects with `FST_ERR_TASK_DASHBOARD_OPEN`.
   */
  onRequest: DashboardHook | DashboardHook[] | false
  /**
   * Whether the sender of the request may do this with this task. It is asked about every task that would be shown, up to 100
   * at the same time if it answers with promises. A list waits for its answers for a second, and then tells how many are
   * missing. Anything but `true` is a no: 403 with `FST_ERR_TASK_FORBIDDEN`. What may not be viewed is not listed, counted or
   * found. Default: everyone whom `onRequest` lets in may do everything
   */
  authorize?: DashboardAuthorize | undefined
  /** `true` registers no route that changes anything. Default: false */
  readOnly?: boolean | undefined
  /**
   * Whether the details of a task show its data and result, and the stack and causes of its error, to whom `authorize` allows
   * `inspect`. Default: true, but false where `serialize` is given, which may have been made to leave them out
   */
  inspect?: boolean | undefined
  /**
   * `true` shows the routes of the dashboard's API, with the schemas of their queries and replies and the tag `tasks`, in the
   * document that `@fastify/swagger` makes. The page itself is not in it. Default: false
   */
  openapi?: boolean | undefined
  /** Milliseconds between two snapshots for those who watch, at least; a snapshot that takes long makes it longer. Default: 1000 */
  interval?: number | undefined
  /** Pages that may watch at once; one more gets a 503, and polls. Default: 20 */
  maxStreams?: number | undefined
  /**
   * Origins to trust beside one's own, for proxies that change `Host`: `['https://ops.example.com']`. Where `onRequest` is
   * `false`, also the hosts under which the page answers beside addresses, `localhost` and names without a dot. Default: none
   */
  origins?: string[] | undefined
  /** The page's title. Default: 'Tasks' */
  title?: string | undefined
  /** What is shown of a task. Its `id` and `status` are shown in any case. Default: its state, `task.toJSON()` */
  serialize?: ((task: Task) => object) | undefined
}
