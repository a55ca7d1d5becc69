import type { Queue, QueueOptions } from 'bullmq'
import type { Cancellations } from './cancellations.ts'
import type { Leases } from './leases.ts'
import type { HealthMonitor } from './health-monitor.ts'
import type { Store } from './store.ts'

/** What the queues of an engine share. */
export interface Shared {
  readonly store: Store
  readonly health: HealthMonitor
  readonly leases: Leases
  readonly cancellations: Cancellations
  /** A queue that no worker takes from: for leases, marks and limits. */
  readonly records: () => Queue
  readonly stallTimeout: number
  /** Options of all of BullMQ's classes, beside the store's. */
  readonly options: Omit<QueueOptions, 'connection'>
}
