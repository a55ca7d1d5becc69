// The JSON that the dashboard's server and its page exchange. Both sides are compiled with these types.
//
// Every reply is sent as text, so that no hook, validator or serializer of the app changes its form.
//
// `GET` replies have an `etag`, except those of `health`, `kinds` and `events`. A client may send it in `if-none-match`. If nothing
// has changed, the reply is then a 304 without a body.

export type Status = 'deferred' | 'running' | 'cancelling' | 'completed' | 'failed' | 'cancelled'

/** A group of three statuses. A query may ask for a group instead of one status. */
export type StatusGroup = 'unsettled' | 'settled'

export type Counts = Record<Status, number>

/**
 * What can be done with a task, a kind or a schedule: the actions of `authorize`, without `view`. A list `can` has those that
 * the caller may do and that are possible in the present state. If `readOnly` is true, it has `inspect` at most.
 */
export type Action = 'inspect' | 'cancel' | 'retry' | 'promote' | 'purge' | 'pause' | 'schedule'

export interface ErrorState {
  name: string
  message: string
  code?: string | number | undefined
}

/** An error with its stack, its cause and the errors of an AggregateError: five levels at most, with ten errors each at most. */
export interface ErrorDetails extends ErrorState {
  stack?: string
  cause?: ErrorDetails
  errors?: ErrorDetails[]
}

/**
 * A task's state.
 *
 * In lists, a text of more than 2 KB is cut and ends with `…`. Of any other value whose JSON is longer, the start of that JSON is sent
 * as such a text. In a reply about one task nothing is cut. A value that JSON cannot hold becomes the text `[unreadable]`.
 */
export interface StateOnWire {
  status: Status
  // All others but `can` may be missing: `serialize` may leave them out, and JSON has no undefined.
  name?: string
  kind?: string
  progress?: unknown
  /** The three times are in ISO 8601. */
  createdAt?: string
  startedAt?: string
  settledAt?: string
  /** The error of a failed or cancelled task. Of a deferred task of the fleet: the error of its last attempt. */
  error?: ErrorState
  /** In lists it has only `cancel`, `retry` and `promote`. In a reply about one task it has all actions. */
  can: Action[]
  /** What `serialize` adds. */
  [added: string]: unknown
}

/** A task of this process. */
export interface TaskRow extends StateOnWire {
  /** `<instance>-<number>`. Do not take it apart, except to show it: `#` and the number. */
  id: string
}

/** The body of `GET tasks/:id/inspect` and of `GET kinds/task/inspect?kind=&name=&id=`. The caller must be allowed to `inspect`. */
export interface Inspection {
  /** Missing if undefined. A value that JSON cannot hold becomes the text `[unreadable]`. More than 1 MB is cut, as in lists. */
  data?: unknown
  result?: unknown
  /** A task of this process has the stack and the causes, too. The fleet stores only name, message and code. */
  error?: ErrorDetails
}

export interface KindCount {
  kind: string
  count: number
}

/**
 * The order of the tasks in a list of this process:
 *
 * - `newest` (default), `oldest`: by the time at which they were added
 * - `running`: first running and cancelling tasks (the oldest first), then deferred ones, then settled ones (the newest first)
 * - `settled`: the task that settled last comes first. Tasks that have not settled come at the end
 */
export type Sort = 'newest' | 'oldest' | 'running' | 'settled'

/** Selects tasks of this process. A task must match all that is given. */
export interface TaskFilter {
  status?: Status | StatusGroup
  kind?: string
  /** The start of a name. 1,024 characters at most. */
  name?: string
  /** A part of a name, in upper or lower case. 256 characters at most. It reads every name: some 10 ms for 100,000 tasks. */
  search?: string
}

/** The query of `GET tasks` and `GET events`. */
export interface TaskQuery extends TaskFilter {
  sort?: Sort
  /** From 1 to 200. Default: 50 */
  limit?: number
  /** The `cursor` or `previous` of another page with the same `sort`. */
  cursor?: string
}

/** The body of `GET tasks`, and the data of each `tasks` event of `GET events`. */
export interface TaskList {
  tasks: TaskRow[]
  /** The counts of all tasks, whatever the query asks for. */
  counts: Counts
  /** The 100 most frequent kinds of all tasks, the most frequent first. A kind of more than 1,024 characters is left out. */
  kinds: KindCount[]
  /** The cursor of the next page. Null on the last page. */
  cursor: string | null
  /** The cursor of the previous page: `''` if that is the first page. Null on the first page. */
  previous: string | null
  /** How many tasks match the query, on all pages. */
  total: number
  /** How many of them come before this page. */
  position: number
  /** When a task failed last, in milliseconds since the epoch. Null if none has failed. When it changes, read `GET failures` again. */
  lastFailedAt: number | null
  /**
   * The number of tasks about which `authorize` has not answered yet. They are neither listed nor counted. If it is above 0, the page
   * says that it waits for the app.
   */
  pending: number
}

/** The query of `DELETE tasks`, which drops settled tasks. `status` is required. With an `id` only that task is dropped. */
export interface PurgeQuery extends TaskFilter {
  status: 'settled' | 'completed' | 'failed' | 'cancelled'
  id?: string
}

/** The body of `DELETE tasks` and of `DELETE kinds/tasks`. */
export interface Purged {
  purged: number
}

/** The query of `PUT tasks/cancel`, which cancels many tasks of this process and does not wait until they stop. `status` is required. */
export interface CancelManyQuery extends TaskFilter {
  status: 'unsettled' | 'deferred' | 'running'
}

/** The body of `PUT tasks/cancel` and of `PUT kinds/tasks/cancel`. */
export interface CancelledMany {
  cancelled: number
  /** True if there may be more: one call cancels 1,000 tasks at most. Then call again. */
  more: boolean
}

/** How many tasks settled within one minute. */
export interface HistoryMinute {
  /** When the minute began, in milliseconds since the epoch. */
  time: number
  completed: number
  /** For the fleet it includes cancelled tasks. */
  failed: number
  /** For the fleet it is always 0. */
  cancelled: number
}

/** The body of `GET history` (this process) and of `GET kinds/history?kind=` (one kind, or all kinds together without `kind`). */
export interface History {
  /** 60 minutes, the oldest first. The last one is the present minute. Null if the caller may not view the process or the kind as a whole. */
  minutes: HistoryMinute[] | null
}

/** A failed task, of this process or of the fleet. */
export type Failure = { fleet: false, task: TaskRow } | { fleet: true, task: FleetTaskRow }

/**
 * The body of `GET failures?limit=&scope=`: the tasks that failed last in this process (`scope=process`, the default), in all kinds
 * of the fleet (`scope=fleet`), or in both (`scope=all`). `limit`: from 1 to 50. Default: 3
 */
export interface Failures {
  /** The task that failed last comes first. */
  failures: Failure[]
  /**
   * How many tasks have failed in all. In the fleet it includes cancelled ones, as `FleetCounts` does. Null if the fleet is asked for
   * and a kind cannot be read or `authorize` is set.
   */
  total: number | null
  /** The first error of a kind that cannot be read. Null if there is none. */
  error: ErrorState | null
  /** As `pending` of `TaskList`. */
  pending: number
}

/** The body of `GET health`. */
export interface Health {
  title: string
  /** True if there is no route that changes anything. */
  readOnly: boolean
  /** True if there are `inspect` routes. */
  inspect: boolean
  /** Milliseconds between two snapshots. A page without a stream waits as long between two polls. */
  interval: number
  /** True if `fastify-tasks/cluster` is registered. If not, `GET kinds` has no kinds. */
  fleet: boolean
  instance: string
  pid: number
  host: string
  /** The server's clock, in milliseconds since the epoch. */
  time: number
  /** How long the process has been running, in seconds. */
  uptime: number
  versions: { node: string, fastify: string, 'fastify-tasks': string }
  counts: Counts
}

/** The counts of a kind of the fleet. `running` includes `cancelling`, and `failed` includes `cancelled`. */
export type FleetCounts = Record<'deferred' | 'running' | 'completed' | 'failed', number>

export interface Schedule {
  name: string
  cron?: string
  timeZone?: string
  /** Milliseconds. */
  every?: number
  /** When its next task starts, in milliseconds since the epoch. */
  nextAt: number
}

export interface Worker {
  host: string
  pid: number
}

/** A process that runs the tasks of a kind. */
export interface KindWorker extends Worker {
  /** When it began to run them, in milliseconds since the epoch. Null if unknown. */
  since: number | null
}

/** A kind of the fleet. If the task server cannot be read, `error` says why and the other values are null. */
export interface FleetKind {
  kind: string
  counts: FleetCounts | null
  paused: boolean | null
  schedules: Schedule[] | null
  /** How many milliseconds the oldest of the tasks that may start has waited. 0 if none waits. */
  latency: number | null
  workers: KindWorker[] | null
  error: ErrorState | null
  /** What the caller may do with the kind as a whole: `cancel`, `retry`, `purge` (many tasks), `pause`, `schedule`. Empty if there is an `error`. */
  can: Action[]
}

/** The body of `GET kinds`. */
export interface FleetKinds {
  kinds: FleetKind[]
  /** When the reply was made, in milliseconds since the epoch. What it says of a kind is kept for `interval` ms and shared by all pages. */
  time: number
}

/** The body of `PUT kinds/pause?kind=`, which pauses a kind, and of `DELETE kinds/pause?kind=`, which resumes it. */
export interface Paused {
  kind: string
  paused: boolean
}

/** One run of a task of the fleet. */
export interface Attempt {
  /** The number of the run. The first one is 1, also after a retry. */
  attempt: number
  /** Both times are in ISO 8601. */
  startedAt?: string
  endedAt: string
  worker?: Worker
  /** Missing if the run completed. */
  error?: ErrorState
}

/** A task of the fleet. Any process finds it by its kind and name. */
export interface FleetTaskRow extends StateOnWire {
  kind: string
  name: string
  id: number
  /** The number of the present run, or of the last one. 0 before the first run. */
  attempt?: number
  maxAttempts?: number
  /** The earliest time at which a delayed task starts, in ISO 8601. It has a delay, belongs to a schedule, or waits for its next attempt. */
  startsAt?: string
  /** The last 10 runs that have ended, the oldest first. Missing in lists. */
  attempts?: Attempt[]
  /** The process that runs or ran it. */
  worker?: Worker
}

/** The query of `GET kinds/tasks`. Without `kind` it lists the tasks of all kinds. */
export interface FleetQuery {
  kind?: string
  /** `running` includes `cancelling`, and `failed` includes `cancelled`. */
  status?: Status | StatusGroup
  /**
   * A part of a name, in upper or lower case. 256 characters at most. One request reads some 2,000 tasks at most and replies with those
   * that match. So a page may be short or empty, and one of all kinds may have more tasks than `limit`. The search goes on at the `offset`
   * of the reply.
   */
  search?: string
  /** Default: 0. A list of all kinds without `search` ends with the page that begins at 1,000. */
  offset?: number
  /** From 1 to 200. Default: 50 */
  limit?: number
}

/** The body of `GET kinds/tasks`. */
export interface FleetList {
  /**
   * First running tasks, then deferred ones (the next to start first), then failed and cancelled ones, then completed ones. Of the
   * settled ones, the last to settle comes first.
   */
  tasks: FleetTaskRow[]
  /** Where the next page begins, or where a search goes on. Null at the end. */
  offset: number | null
  /**
   * How many tasks match on all pages. Null if that is not known: with `search`, with the status `cancelling` or `cancelled`, if a kind
   * cannot be read, and if the caller may not view a kind as a whole.
   */
  total: number | null
  /** How many tasks were read. */
  scanned: number
  /** In a list of all kinds: the first error of a kind that cannot be read. In a list of one kind, such an error is the reply. */
  error: ErrorState | null
  /** As `pending` of `TaskList`. */
  pending: number
}

/** The query of `GET kinds/task`, `GET kinds/task/inspect`, `DELETE kinds/task` (cancels the task) and `PUT kinds/task/promote` (ends its delay). */
export interface FleetTaskQuery {
  kind: string
  name: string
  /** If the task of this name has another id, the reply is a 404. */
  id?: number
}

/**
 * The query of `PUT kinds/tasks/retry`. With `name` (and `id`) it retries one task, and the reply is that task. Without `name` it
 * retries all tasks with this `status`, and the reply is `RetriedMany`.
 */
export interface RetryQuery {
  kind: string
  name?: string
  id?: number
  /** Only tasks with this in their name, in upper or lower case. */
  search?: string
  /** Default: `failed`. Here it does not include `cancelled`: a task that somebody has cancelled is not retried by mistake. */
  status?: 'failed' | 'cancelled' | 'completed'
}

export interface RetriedMany {
  retried: number
  /** True if there may be more: one call retries 1,000 tasks at most. Then call again. */
  more: boolean
}

/** The query of `PUT kinds/tasks/cancel`. The reply is `CancelledMany`, or a 504 if some tasks have not stopped within a second. */
export interface FleetCancelQuery {
  kind: string
  status: 'deferred' | 'running' | 'unsettled'
  /** Only tasks with this in their name, in upper or lower case. */
  search?: string
}

/** The query of `DELETE kinds/tasks`, which drops all settled tasks with this status, or only the one with this name. The reply is `Purged`. */
export interface FleetPurgeQuery {
  kind: string
  status: 'settled' | 'completed' | 'failed' | 'cancelled'
  name?: string
  /** Only tasks with this in their name, in upper or lower case. */
  search?: string
  /** Drops only tasks that settled at least so many milliseconds ago. */
  olderThan?: number
}

/** The query of `GET kinds/count`. */
export interface FleetCountQuery {
  kind: string
  status: Status | StatusGroup
  /** Only tasks with this in their name, in upper or lower case. */
  search?: string
}

/**
 * The body of `GET kinds/count`: how many tasks have a status. The page asks for it before it changes many tasks. Unlike `FleetCounts`,
 * it tells `failed` from `cancelled`.
 */
export interface FleetCount {
  count: number
  /** False if it has read 2,000 tasks and stopped: there may be more. */
  exact: boolean
}

/**
 * The body of `PUT kinds/schedules/run?kind=&name=`, which adds a task with the data of the schedule. The time of the schedule's next
 * task stays the same. The new task is named `<schedule>@<now, ISO 8601>`.
 */
export interface ScheduleRun {
  task: FleetTaskRow
}

/**
 * The body of `DELETE kinds/schedules?kind=&name=`, which removes a schedule and its next task. If a process sets the schedule
 * whenever it starts, the schedule comes back. The page says so before it asks.
 */
export interface Unscheduled {
  kind: string
  name: string
}

/**
 * The body of a reply that is an error, in Fastify's shape.
 *
 * | status | meaning |
 * | --- | --- |
 * | 400 | the query is wrong: do not repeat the request |
 * | 401 | signed out: a reply of the app's hook |
 * | 403 | not allowed: `FST_ERR_TASK_FORBIDDEN`, `FST_ERR_TASK_CROSS_SITE`, `FST_ERR_TASK_HOST`, or a reply of the app's hook |
 * | 404 | there is no such task, or the caller may not view it |
 * | 409 | not possible in the present state: a task that has not settled cannot be retried |
 * | 410 | `FST_ERR_TASK_STALE_CURSOR`: begin with the first page |
 * | 503 | `FST_ERR_TASK_STREAM_LIMIT`: poll instead. `FST_ERR_TASK_UNREACHABLE`: the task server does not answer |
 * | 504 | `FST_ERR_TASK_CANCEL_TIMEOUT`: of many tasks of the fleet, some have not stopped within a second |
 *
 * The app's hook may reply with anything, even a redirect. The page must not follow a redirect (`redirect: 'manual'`).
 */
export interface ErrorBody {
  statusCode: number
  error: string
  message: string
  code?: string
}
