import type { BackendFactory, ConnectionOptions, Job, JobState, Queue, QueueOptions, RelayBackendFactory } from 'bullmq'

/** A queue of BullMQ, whatever its jobs hold. */
export type AnyQueue = Queue<any, any, any, any, any, any, any>

/** The counts of a queue's jobs, as BullMQ keeps them. */
export interface StoredMetrics {
  /** Since the first job. */
  readonly count: number
  /** When the last minute that has a job began, in ms since the epoch, and what `count` was before that minute. 0 and 0 if there is none. */
  readonly lastAt: number
  readonly countBefore: number
  /** Those of each minute before that one, the latest first. */
  readonly minutes: readonly number[]
}

/** How many jobs of a queue have not ended: those that run, and those that wait or are delayed. */
export interface UnendedCounts {
  readonly active: number
  readonly waiting: number
}

/** Where the events of a queue come from. Its `error` event says what keeps them from coming. */
export interface EventSource {
  on (event: 'error', listener: (error: Error) => void): unknown
  on (event: string, listener: (args: EventArgs) => void): unknown
  close (): Promise<void>
}

export interface EventArgs {
  readonly jobId: string
  readonly returnvalue?: unknown
  readonly failedReason?: string
}

/** What a store needs to know of a queue, or of its worker. */
export interface LockedQueue {
  readonly name: string
  toKey (type: string): string
}

export interface StoreOptions {
  readonly connection: ConnectionOptions
  readonly prefix: string
}

/** What was read of a job that is about to be changed. */
export type ReadJob = Pick<Job, 'id' | 'data' | 'finishedOn'>

/** A server that BullMQ can work on, and this process's connections to it. All differences between Redis and PostgreSQL are behind this interface. */
export interface Store {
  readonly product: 'Redis' | 'PostgreSQL'
  /** Host and port, for messages. */
  readonly server: string
  /** What BullMQ's relay is made with. */
  readonly options: StoreOptions
  readonly backend: BackendFactory<any, any>
  readonly relayBackend: RelayBackendFactory<any>
  /** The priority of tasks without one. */
  readonly firstPriority: number
  /** Settled tasks that are kept although `maxSettled` is 0. If the event of a task's end was lost, its end can still be read. */
  readonly leastSettled: number
  /** ms between two polls of what is watched: an event may have been lost. */
  readonly pollInterval: number
  /** The last error of the server or of a connection to it. Undefined once it answers. */
  readonly problem: string | undefined

  /** What BullMQ's classes for a queue are made with. */
  optionsOf (queue: string): StoreOptions
  /** Calls back whenever a connection breaks. */
  onLost (callback: () => void): void
  /** Resolves once the server takes commands and has what BullMQ needs. Tries again until then. Rejects if another try cannot help. */
  connect (): Promise<void>
  /** Resolves if the server answers. It sends its command only once there is a connection. */
  ping (): Promise<void>
  /** Resolves if the server answers on a connection that is new since the last one broke. A server that is about to stop may still answer on others. */
  isBack (): Promise<void>
  /** The state of a job, at a cost that does not depend on how many there are. Undefined: it is neither active nor delayed. */
  stateOf (queue: AnyQueue, jobId: string): Promise<JobState | 'unknown' | undefined>
  /** The versions of jobs, by their ids; none for a job that does not exist. A job that changes gets another version. Many jobs cost hardly more than one. */
  versionsOf (queue: LockedQueue, jobIds: readonly string[]): Promise<Map<string, string>>
  /** Counts the jobs of queues that have not ended: all at one moment, but in a Redis Cluster one queue after the other. */
  countUnended (queues: readonly string[]): Promise<UnendedCounts[]>
  /** Opens the events of a queue. */
  eventsOf (queue: string, options: Omit<QueueOptions, 'connection'>): EventSource
  /** What BullMQ counts of the jobs of a queue that have completed, or failed: in all, and by the minute. */
  metricsOf (queue: AnyQueue, type: 'completed' | 'failed'): Promise<StoredMetrics>
  /**
   * Stores the progress of a job if its lock still has this token. It checks and stores in one step. Returns false, and stores nothing,
   * if another run has the job or the job is gone. The event of it has no copy of the progress.
   */
  storeProgress (queue: LockedQueue, jobId: string, token: string, progress: object): Promise<boolean>
  /**
   * Replaces the data of a job if its data and its end still are as they were read. It checks and replaces in one step. Returns false,
   * and changes nothing, if the job has ended meanwhile or belongs to another task.
   */
  replaceData (queue: LockedQueue, job: ReadJob, data: object): Promise<boolean>
  /** Removes a job that has ended or waits, after the same check in the same step. Returns false, and changes nothing, if it has changed or runs. */
  removeJob (queue: LockedQueue, job: ReadJob): Promise<boolean>
  /**
   * The workers of the jobs that BullMQ may move back to the queue now, because their locks have expired or will within so many ms: their
   * names, by the ids of the jobs.
   */
  workersOfExpired (queue: LockedQueue, within: number): Promise<Map<string, string>>
  /** Drops the events of a queue, except about the last `kept`. */
  trimEvents (queue: LockedQueue, kept: number): Promise<void>
  /** One more connection is needed, for good. */
  reserve (): void
  /**
   * How many connections this process may open if it watches so many kinds, and how many the server allows for all processes. Undefined if
   * the server does not tell.
   */
  connections (kinds: number): Promise<{ most: number, allowed: number } | undefined>
  /** Ends all connections, at once. */
  close (): Promise<void>
}
