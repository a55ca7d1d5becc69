// The JSON that the dashboard's server and its page exchange. Both sides compile these types.
//
// Every reply is sent as text, so that no hook, validator or serializer of the app changes its form. `GET`
// replies carry an `etag`, those of `health` and `kinds` excepted: with it in `if-none-match` the reply is a 304 without a body
// while nothing has changed.

export type Status = 'deferred' | 'running' | 'cancelling' | 'completed' | 'failed' | 'cancelled'

/** A group of statuses that a query may ask for in the place of one. */
export type StatusGroup = 'unsettled' | 'settled'

export type Counts = Record<Status, number>

/**
 * What can be done with a task, a kind or a schedule: the actions of `authorize`, without `view`. `can` lists those that
 * the caller may do and that make sense in the present state. It is empty where `readOnly` is true, except for `inspect`.
 */
export type Action = 'inspect' | 'cancel' | 'retry' | 'promote' | 'purge' | 'pause' | 'schedule'

export interface ErrorState {
  name: string
  message: string
  code?: string | number | undefined
}

/** An error with its stack, its cause and the errors of an AggregateError. Five levels deep and ten errors each at most. */
export interface ErrorDetails extends ErrorState {
  stack?: string
  cause?: ErrorDetails
  errors?: ErrorDetails[]
}

/**
 * A task's state. In lists, a text longer than 2 KB is cut and ends with `…`, and a longer value is the start of its JSON
 * as such a text. Replies about one task are not cut. A value that JSON cannot hold is the text `[unreadable]`.
 */
export interface StateOnWire {
  status: Status
  // The rest may be missing: `serialize` decides, and undefined is not JSON.
  name?: string
  kind?: string
  progress?: unknown
  /** ISO 8601, as the other two. */
  createdAt?: string
  startedAt?: string
  settledAt?: string
  /** What a failed or cancelled task ended with. Of a deferred task of the fleet: what its last attempt failed with. */
  error?: ErrorState
  /** In lists only `cancel`, `retry` and `promote`; in the reply about one task all. */
  can: Action[]
  /** What `serialize` adds. */
  [added: string]: unknown
}

/** A task of this process. */
export interface TaskRow extends StateOnWire {
  /** Opaque: `<instance>-<number>`. What is shown may say `#` and what follows the last dash. */
  id: string
}

/** The body of `GET tasks/:id/inspect` and of `GET kinds/task/inspect?kind=&name=&id=`. Needs the action `inspect`. */
export interface Inspection {
  /** Missing if undefined. What JSON cannot hold is the text `[unreadable]`. More than 1 MB is cut, as in lists. */
  data?: unknown
  result?: unknown
  /** With stack and causes for tasks of this process. The fleet stores name, message and code only. */
  error?: ErrorDetails
}

export interface KindCount {
  kind: string
  count: number
}

/**
 * The order of a list of this process:
 *
 * - `newest` (default), `oldest`: by when they were added
 * - `running`: running and cancelling (the oldest first), then deferred (the newest first), then settled (the newest first)
 * - `settled`: the latest to settle first, then those that have not settled
 */
export type Sort = 'newest' | 'oldest' | 'running' | 'settled'

/** Which tasks of this process: a task has to match all that is given. */
export interface TaskFilter {
  status?: Status | StatusGroup
  kind?: string
  /** The start of a name. 1,024 characters at most. */
  name?: string
  /** A part of a name; upper and lower case are the same. 256 characters at most. Reads every name: some 10 ms for 100,000 tasks. */
  search?: string
}

/** The query of `GET tasks` and `GET events`. */
export interface TaskQuery extends TaskFilter {
  sort?: Sort
  /** From 1 to 200. Default: 50 */
  limit?: number
  /** `cursor` or `previous` of another page of the same sort. */
  cursor?: string
}

/** The body of `GET tasks`, and the data of each `tasks` event of `GET events`. */
export interface TaskList {
  tasks: TaskRow[]
  /** Of all tasks, whatever the query asks for. */
  counts: Counts
  /** Of all tasks that have a kind of at most 1,024 characters; the most frequent first, 100 at most. */
  kinds: KindCount[]
  /** Of the next page; null on the last one. */
  cursor: string | null
  /** Of the previous page; `''` if that is the first page; null on the first page. */
  previous: string | null
  /** How many tasks match the query, on all pages. */
  total: number
  /** How many of them come before this page. */
  position: number
  /** When the latest failed task settled, in milliseconds since the epoch; null if none has failed. Read `GET failures` again when it changes. */
  lastFailedAt: number | null
  /**
   * Tasks about which `authorize` has not answered yet. They are not listed and not counted. More than 0: say that the page
   * waits for the answer of the app's `authorize`.
   */
  pending: number
}

/** The query of `DELETE tasks`, which drops settled tasks. `status` is required; `id` picks one task. */
export interface PurgeQuery extends TaskFilter {
  status: 'settled' | 'completed' | 'failed' | 'cancelled'
  id?: string
}

/** The body of `DELETE tasks` and of `DELETE kinds/tasks`. */
export interface Purged {
  purged: number
}

/** The query of `PUT tasks/cancel`, which cancels many tasks of this process. `status` is required. */
export interface CancelManyQuery extends TaskFilter {
  status: 'unsettled' | 'deferred' | 'running'
}

/** The body of `PUT tasks/cancel` and of `PUT kinds/tasks/cancel`. */
export interface CancelledMany {
  cancelled: number
  /** True if there may be more: one call takes 1,000 at most. Call again. */
  more: boolean
}

/** What settled within one minute. */
export interface HistoryMinute {
  /** The minute's start, in milliseconds since the epoch. */
  time: number
  completed: number
  /** Of the fleet: with those that were cancelled. */
  failed: number
  /** Always 0 for the fleet. */
  cancelled: number
}

/** The body of `GET history` (this process) and of `GET kinds/history?kind=` (a kind; without `kind` all kinds together). */
export interface History {
  /** 60 minutes, oldest first; the last one is the present minute. Null if the caller may not see the process or kind as a whole. */
  minutes: HistoryMinute[] | null
}

/** A failed task, of this process or of the fleet. */
export type Failure = { fleet: false, task: TaskRow } | { fleet: true, task: FleetTaskRow }

/**
 * The body of `GET failures?limit=&scope=`: what failed last in this process (`scope=process`, the default), in all kinds of
 * the fleet (`scope=fleet`), or in both (`scope=all`). `limit`: 1 to 50, default 3.
 */
export interface Failures {
  /** The latest to settle first. */
  failures: Failure[]
  /** How many failed in all. Of the fleet: with those that were cancelled, as its counts. Null if a kind could not be read. */
  total: number | null
  /** The first error of a kind that could not be read. */
  error: ErrorState | null
  /** As `TaskList.pending`. */
  pending: number
}

/** The body of `GET health`. */
export interface Health {
  title: string
  /** Whether there are no routes that change anything. */
  readOnly: boolean
  /** Whether there are routes `inspect`. */
  inspect: boolean
  /** Milliseconds between snapshots; how often a page without a stream may poll. */
  interval: number
  /** Whether `fastify-tasks/cluster` is registered, so that `GET kinds` has something to tell. */
  fleet: boolean
  instance: string
  pid: number
  host: string
  /** The server's clock, in milliseconds since the epoch. */
  time: number
  /** Of the process, in seconds. */
  uptime: number
  versions: { node: string, fastify: string, 'fastify-tasks': string }
  counts: Counts
}

/** Of a kind of the fleet: `running` includes what is cancelling, `failed` what was cancelled. */
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

/** A process that works a kind. */
export interface KindWorker extends Worker {
  /** Milliseconds since the epoch; null if unknown. */
  since: number | null
}

/** A kind of the fleet. What the server behind it did not tell is null, and `error` says why. */
export interface FleetKind {
  kind: string
  counts: FleetCounts | null
  paused: boolean | null
  schedules: Schedule[] | null
  /** Milliseconds that the oldest deferred task which may start has waited; 0 if none waits. */
  latency: number | null
  workers: KindWorker[] | null
  error: ErrorState | null
  /** What the caller may do with the kind as a whole: `cancel`, `retry`, `purge` (many at once), `pause`, `schedule`. Empty while the server is away. */
  can: Action[]
}

/** The body of `GET kinds`. */
export interface FleetKinds {
  kinds: FleetKind[]
  /** When this was read, in milliseconds since the epoch. All pages share one reading, which is `interval` old at most if the server answers quickly. */
  time: number
}

/** The body of `PUT kinds/pause?kind=`, which pauses a kind, and of `DELETE kinds/pause?kind=`, which resumes it. */
export interface Paused {
  kind: string
  paused: boolean
}

/** One run of a task of the fleet. */
export interface Attempt {
  /** Counts from 1; from 1 again after a retry. */
  attempt: number
  /** ISO 8601, as the other. */
  startedAt?: string
  endedAt: string
  worker?: Worker
  /** Missing: it completed. */
  error?: ErrorState
}

/** A task of the fleet. It is found by its kind and name, from any process. */
export interface FleetTaskRow extends StateOnWire {
  kind: string
  name: string
  id: number
  /** Which run this is, or was the last. 0 before the first. */
  attempt?: number
  maxAttempts?: number
  /** ISO 8601. When a delayed task starts at the earliest: one with a delay, of a schedule, or between two attempts. */
  startsAt?: string
  /** How its runs ended, oldest first: the last 10. Not in lists. */
  attempts?: Attempt[]
  /** The process that runs or ran it. */
  worker?: Worker
}

/** The query of `GET kinds/tasks`. Without `kind`: the tasks of all kinds. */
export interface FleetQuery {
  kind?: string
  /** `running` includes `cancelling`; `failed` includes `cancelled`; `settled` and `unsettled` are those of both. */
  status?: Status | StatusGroup
  /**
   * A part of a name; upper and lower case are the same. 256 characters at most. One request reads up to 2,000 tasks and
   * replies with those that match. A page may be short, or empty, or somewhat longer than `limit`; it goes on at `offset`.
   */
  search?: string
  /** Default: 0. Without `kind` and `search` a list ends after 1,000 and a page; `offset` is then null. */
  offset?: number
  /** From 1 to 200. Default: 50 */
  limit?: number
}

/** The body of `GET kinds/tasks`. */
export interface FleetList {
  /** Running first, then deferred (the next to start first), then failed and cancelled, then completed (the latest to settle first). */
  tasks: FleetTaskRow[]
  /** Of the next page, or where a search goes on; null at the end. */
  offset: number | null
  /** How many match on all pages. Null with `search`, and if the caller may not view a kind as a whole. */
  total: number | null
  /** How many tasks were read. */
  scanned: number
  /** Of all kinds: the first error of a kind that could not be read. With `kind` such an error is the reply. */
  error: ErrorState | null
  /** As `TaskList.pending`. */
  pending: number
}

/** The query of `GET kinds/task`, `GET kinds/task/inspect`, `DELETE kinds/task` (cancels it), `PUT kinds/task/promote` (starts a delayed task now). */
export interface FleetTaskQuery {
  kind: string
  name: string
  /** 404 if another task has the name. */
  id?: number
}

/**
 * The query of `PUT kinds/tasks/retry`: with `name` (and `id`) one task, which is the reply; with `status` many, and the
 * reply is `RetriedMany`. `failed` is not `cancelled` here, so that what somebody cancelled does not run again unasked.
 */
export interface RetryQuery {
  kind: string
  name?: string
  id?: number
  status?: 'failed' | 'cancelled' | 'completed'
}

export interface RetriedMany {
  retried: number
  /** True if there may be more: one call takes 1,000 at most. Call again. */
  more: boolean
}

/** The query of `PUT kinds/tasks/cancel`. The reply is `CancelledMany`. */
export interface FleetCancelQuery {
  kind: string
  status: 'deferred' | 'running' | 'unsettled'
}

/** The query of `DELETE kinds/tasks`, which drops settled tasks: all of a status, or the one with this name. The reply is `Purged`. */
export interface FleetPurgeQuery {
  kind: string
  status: 'settled' | 'completed' | 'failed' | 'cancelled'
  name?: string
  /** Milliseconds since they settled, at least. */
  olderThan?: number
}

/**
 * The body of `GET kinds/count?kind=&status=`: how many tasks of one status there are, for the question before a bulk change.
 * `failed` and `cancelled` are told apart, which `counts` does not do.
 */
export interface FleetCount {
  count: number
  /** False: only the first 2,000 were read, there are more. */
  exact: boolean
}

/**
 * The body of `PUT kinds/schedules/run?kind=&name=`: a task with the schedule's data starts at once. Its next time stays.
 * The name of the task is `<schedule>@<now, ISO 8601>`.
 */
export interface ScheduleRun {
  task: FleetTaskRow
}

/**
 * The body of `DELETE kinds/schedules?kind=&name=`, which ends a schedule and takes back its next task. A process that
 * declares the schedule when it starts brings it back: say so before asking.
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
 * | 400 | asked wrongly: do not repeat it |
 * | 401 | signed out (of the app's hook) |
 * | 403 | `FST_ERR_TASK_FORBIDDEN`, `FST_ERR_TASK_CROSS_SITE`, `FST_ERR_TASK_HOST`, or of the app's hook: not allowed |
 * | 404 | gone, or not to be seen |
 * | 409 | not in this state: a task that has not settled cannot be retried |
 * | 410 | `FST_ERR_TASK_STALE_CURSOR`: begin with the first page |
 * | 503 | `FST_ERR_TASK_STREAM_LIMIT`: poll; `FST_ERR_TASK_UNREACHABLE`: the fleet's server is away |
 * | 504 | `FST_ERR_TASK_CANCEL_TIMEOUT`: of many tasks of the fleet, some have not stopped within a second |
 *
 * An app whose hook replies by itself may send anything, a redirect too: the page must not follow one (`redirect: 'manual'`).
 */
export interface ErrorBody {
  statusCode: number
  error: string
  message: string
  code?: string
}
