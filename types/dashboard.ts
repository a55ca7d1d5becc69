import type { FastifyRequest, onRequestHookHandler } from 'fastify'
import type { Task } from './index.ts'

/**
 * What somebody wants to do on the dashboard.
 *
 * - `view`: see a task, also in lists and counts
 * - `inspect`: read its data and result, and the stack and causes of its error
 * - `cancel`: cancel it, or many tasks
 * - `retry`: run a settled task of the fleet again, or many of a kind
 * - `promote`: end the delay of a task of the fleet
 * - `purge`: drop a settled task, or many
 * - `pause`: pause or resume a kind of the fleet
 * - `schedule`: run a schedule of the fleet now, or remove it
 */
export type DashboardAction = 'view' | 'inspect' | 'cancel' | 'retry' | 'promote' | 'purge' | 'pause' | 'schedule'

/** A hook that lets people in, or replies or throws. */
export type DashboardHook = (...args: Parameters<onRequestHookHandler>) => void | Promise<unknown>

/**
 * What `authorize` decides about: a task of this process, or one of the fleet. For a kind of the fleet as a whole (its counts,
 * chart and schedules, to pause it, to change many of its tasks) it has only `kind`. For the chart of this process it is empty.
 */
export type DashboardSubject = Partial<Pick<Task,
  'id' | 'name' | 'kind' | 'data' | 'status' | 'settled' | 'progress' | 'result' | 'error' | 'createdAt' | 'startedAt' | 'settledAt'>>

/** Decides who may do what. It has the type of a method, so that a function whose third parameter is a `Task` is accepted, too. */
export type DashboardAuthorize = {
  authorize (request: FastifyRequest, action: DashboardAction, task: DashboardSubject): boolean | Promise<boolean>
}['authorize']

/** Options of `fastify-tasks/dashboard`. */
export interface FastifyTasksDashboardOptions {
  /**
   * A hook that lets people in, or an array of hooks: `app.basicAuth`, `app.auth([…])`. It guards every route of the dashboard.
   * `false` opens the page to everyone. Required: without it the registration rejects with `FST_ERR_TASK_DASHBOARD_OPEN`.
   */
  onRequest: DashboardHook | DashboardHook[] | false
  /**
   * Returns true if the sender of the request may do this with this task. Anything but `true` means no: the reply is a 403 with
   * `FST_ERR_TASK_FORBIDDEN`. A task that somebody may not view is neither listed nor counted nor found.
   *
   * It is called for every task that would be shown. If it returns promises, it is called for up to 100 tasks at the same time. A
   * list waits a second for the answers, and then says how many are missing.
   *
   * Default: everyone whom `onRequest` lets in may do everything
   */
  authorize?: DashboardAuthorize | undefined
  /** `true` registers no route that changes anything. Default: false */
  readOnly?: boolean | undefined
  /**
   * `true`: the details of a task show its data and result, and the stack and causes of its error, if `authorize` allows `inspect`.
   * Default: true, but false if `serialize` is given, which may be there to leave them out
   */
  inspect?: boolean | undefined
  /**
   * `true`: the routes of the dashboard's API are in the document that `@fastify/swagger` makes, with the schemas of their queries
   * and replies and the tag `tasks`. The page itself is not in it. Default: false
   */
  openapi?: boolean | undefined
  /** At least so many milliseconds are between two updates of the page. If an update takes long, there are more. Default: 1000 */
  interval?: number | undefined
  /** How many pages may have a stream of events at the same time. Others get a 503 and poll. Default: 20 */
  maxStreams?: number | undefined
  /**
   * Other origins that are trusted, for proxies that change `Host`: `['https://ops.example.com']`. If `onRequest` is `false`, the
   * page answers only for these hosts, for IP addresses, `localhost`, names without a dot and the name of the computer. Default: none
   */
  origins?: string[] | undefined
  /** The page's title. Default: 'Tasks' */
  title?: string | undefined
  /** What is shown of a task. Its `id` and `status` are always shown. Default: its state, `task.toJSON()` */
  serialize?: ((task: Task) => object) | undefined
}
