import type { BackendFactory, ConnectionOptions, JobState, Queue, RelayBackendFactory } from 'bullmq'

/** A queue of BullMQ, whatever its jobs hold. */
export type AnyQueue = Queue<any, any, any, any, any, any, any>

/** The counts of a queue's jobs, as BullMQ keeps them. */
export interface StoredMetrics {
  /** Since ever. */
  readonly count: number
  /** When the last minute began that has a job, in ms since the epoch, and what `count` was before it; 0 and 0 if there was none. */
  readonly lastAt: number
  readonly countBefore: number
  /** Those of each minute before that one, the latest first. */
  readonly minutes: readonly number[]
}

/** What a store needs to know of a queue, or of its worker. */
export interface LockedQueue {
  readonly name: string
  toKey (type: string): string
}

/** A server that BullMQ can work on, and this process's connections to it. What Redis and PostgreSQL differ in is told here. */
export interface Store {
  /** Host and port, for messages. */
  readonly server: string
  /** What BullMQ's classes are made with. */
  readonly options: { readonly connection: ConnectionOptions, readonly prefix: string }
  readonly backend: BackendFactory<any, any>
  readonly relayBackend: RelayBackendFactory<any>
  /** The priority of tasks without one. */
  readonly firstPriority: number
  /** Settled tasks that are kept where none are to be: how one ended can be read then, though an event of it was missed. */
  readonly leastSettled: number
  /** ms after which a wait for events looks by itself. */
  readonly eventsTimeout: number
  /** ms after which those who watch look by themselves: BullMQ may have passed over an event. */
  readonly lookAgain: number
  /** What the server or the way to it has complained of last. */
  readonly problem: string | undefined

  /** Calls back whenever a connection breaks. */
  onLost (callback: () => void): void
  /** Resolves once the server takes commands and has what BullMQ needs; tries until then. Rejects if trying is of no use. */
  connect (): Promise<void>
  /** Resolves if the server answers. What it waits for, it does not send later. */
  ping (): Promise<void>
  /** Resolves if the server answers on a connection that is new since the last one broke: one that is about to stop answers on others. */
  isBack (): Promise<void>
  /** The state of a job, at a cost that does not depend on how many there are. Undefined: it is neither active nor delayed. */
  stateOf (queue: AnyQueue, jobId: string): Promise<JobState | 'unknown' | undefined>
  /** What BullMQ counts of the jobs of a queue that have completed, or failed: since ever, and by the minute. */
  metricsOf (queue: AnyQueue, type: 'completed' | 'failed'): Promise<StoredMetrics>
  /**
   * Stores the progress of a job, in one step with the look whether the lock of the job is still the one with this token. Returns false,
   * and stores nothing, if it is not: the job is another run's by then, or gone. The event of it has no copy of the progress.
   */
  storeProgress (queue: LockedQueue, jobId: string, token: string, progress: object): Promise<boolean>
  /** Drops the events of a queue but for about the last `kept`. */
  trimEvents (queue: LockedQueue, kept: number): Promise<void>
  /** Some more connections are needed, for good. */
  reserve (connections: number): void
  /** Ends all connections, at once. */
  close (): Promise<void>
}
