import { Queue, type QueueOptions } from 'bullmq'
import type { Cancellations } from './cancellations.ts'
import type { Leases } from './leases.ts'
import type { EngineLog, HealthMonitor } from './health-monitor.ts'
import type { Store } from './store.ts'

/** What the queues of an engine share. */
export interface Shared {
  readonly store: Store
  readonly health: HealthMonitor
  readonly log: EngineLog
  readonly leases: Leases
  readonly cancellations: Cancellations
  /** A queue that no worker takes from: for leases, marks and limits. */
  readonly records: () => Queue
  readonly stallTimeout: number
  /** Options of all of BullMQ's classes, beside the store's. */
  readonly options: Omit<QueueOptions, 'connection'>
}

/** A queue as BullMQ has it. It must not be made before the engine is open: it looks for tables of the server. */
export function makeQueue<Data> (name: string, { store, options, health }: Pick<Shared, 'store' | 'options' | 'health'>): Queue<Data, any, string> {
  const queue = new Queue<Data, any, string>(name, { ...store.optionsOf(name), ...options }, store.backend)
  queue.on('error', error => health.report(error))
  return queue
}
