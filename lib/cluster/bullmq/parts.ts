import type { QueueSettings } from '../engine.ts'
import type { Announcements } from './announcements.ts'
import type { JobData, TaskJob } from './job.ts'
import { assertUnchanged, assertValid, type Lease } from './leases.ts'
import type { Reader } from './reader.ts'
import type { Shared } from './shared.ts'
import type { AnyQueue } from './store.ts'

/** What the parts of a kind's queue share. */
export interface Parts {
  readonly kind: string
  /** The queue's name on the server. */
  readonly name: string
  readonly settings: QueueSettings
  readonly shared: Shared
  readonly reader: Reader
  /** Undefined for a kind without `onSettled`. */
  readonly announcements: Announcements | undefined
  /** BullMQ's queue. It is made when it is first needed: then the server has the tables that it looks for. */
  queue (): AnyQueue
  /** Adds an event to those of the queue. */
  publish (event: string, jobId: string, failedReason?: string): Promise<unknown>
}

/** Replaces the data of a job. Throws `LeaseExpired` if the job has changed since it was read. The caller holds the lease of its name. */
export async function replaceData ({ shared, queue }: Parts, job: TaskJob, data: JobData, lease: Lease): Promise<void> {
  assertValid(lease)
  assertUnchanged(await shared.store.replaceData(queue(), job, data))
  job.data = data
}
