import type { QueueOptions } from 'bullmq'
import type { Cancellations } from './cancellations.ts'
import type { Claims } from './claims.ts'
import type { Reach } from './reach.ts'
import type { Store } from './store.ts'

/** What the queues of an engine share. */
export interface Shared {
  readonly store: Store
  readonly reach: Reach
  readonly claims: Claims
  readonly cancellations: Cancellations
  readonly stallTimeout: number
  /** Options of all of BullMQ's classes, beside the store's. */
  readonly options: Omit<QueueOptions, 'connection'>
}
