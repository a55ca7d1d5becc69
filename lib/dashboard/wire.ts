// What the dashboard's server and its page tell each other: types of plain JSON, which both sides compile.

export type Status = 'deferred' | 'running' | 'cancelling' | 'completed' | 'failed' | 'cancelled'

export type Counts = Record<Status, number>

export interface ErrorState {
  name: string
  message: string
  code?: string | number | undefined
}

/**
 * A task's state. In lists a text longer than 2 KB is cut and ends with `…`, and a longer value is the start of its JSON
 * as such a text; what tells of one task tells all. A value that JSON cannot hold is the text `[unreadable]`.
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
  error?: ErrorState
  /** What `serialize` adds. */
  [added: string]: unknown
}

/** A task of this process. */
export interface TaskRow extends StateOnWire {
  /** Opaque: `<instance>-<number>`. What is shown may say `#` and what follows the last dash. */
  id: string
}

export interface KindCount {
  kind: string
  count: number
}

/** The query of `GET tasks` and `GET events`. */
export interface TaskQuery {
  status?: Status
  kind?: string
  /** The start of a name. */
  name?: string
  /** From 1 to 200. Default: 50 */
  limit?: number
  /** The `cursor` of the page before. */
  cursor?: string
}

/** The body of `GET tasks`, and the data of each `tasks` event of `GET events`. */
export interface TaskList {
  /** The newest first. */
  tasks: TaskRow[]
  /** Of all tasks, whatever the query asks for. */
  counts: Counts
  /** Of all tasks that have a kind of at most 1,024 characters, which can be asked for; the most frequent first, 100 at most. */
  kinds: KindCount[]
  /** Of the next page; null on the last one. */
  cursor: string | null
}

/** The body of `DELETE tasks?status=settled` and of `DELETE kinds/tasks?kind=&status=settled`. */
export interface Purged {
  purged: number
}

/** The body of `GET health`. */
export interface Health {
  title: string
  /** Whether there are no routes that change anything. */
  readOnly: boolean
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

/** A kind of the fleet. What the server behind it did not tell is null, and `error` says why. */
export interface FleetKind {
  kind: string
  counts: FleetCounts | null
  paused: boolean | null
  schedules: Schedule[] | null
  error: ErrorState | null
}

/** The body of `PUT kinds/pause?kind=`, which pauses a kind, and of `DELETE kinds/pause?kind=`, which resumes it. */
export interface Paused {
  kind: string
  paused: boolean
}

/** The body of `GET kinds`. */
export interface FleetKinds {
  kinds: FleetKind[]
}

/** A task of the fleet. It is found by its kind and name, from any process. */
export interface FleetTaskRow extends StateOnWire {
  kind: string
  name: string
  attempt?: number
  /** The process that runs or ran it. */
  worker?: { host: string, pid: number }
}

/** The query of `GET kinds/tasks`: tasks in the order of the cluster's `tasks()`. */
export interface FleetQuery {
  kind: string
  status?: Status
  /** Default: 0 */
  offset?: number
  /** From 1 to 200. Default: 50 */
  limit?: number
}

/** The body of `GET kinds/tasks?kind=`. */
export interface FleetList {
  tasks: FleetTaskRow[]
  /** Of the next page; null on the last one. */
  offset: number | null
}

/** The body of a reply that is an error, in Fastify's shape. An app with an error handler of its own may send another. */
export interface ErrorBody {
  statusCode: number
  error: string
  message: string
  code?: string
}
