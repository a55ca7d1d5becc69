import { Worker, type Processor, type WorkerOptions } from 'bullmq'
import type { Shared } from './shared.ts'

/** A worker of a queue that can be abandoned. A plain worker of BullMQ renews the locks of its jobs until all of them have ended. */
export class TaskWorker extends Worker<any, any, string, any> {
  constructor (queue: string, process: Processor<any, any, string>, { store, options, stallTimeout, health }: Shared, own: Omit<WorkerOptions, 'connection'>) {
    store.reserve()
    super(queue, process, {
      ...store.optionsOf(queue),
      ...options,
      autorun: false,
      lockDuration: stallTimeout,
      stalledInterval: Math.max(1, Math.floor(stallTimeout / 4)),
      runRetryDelay: 1000,
      ...own
    }, store.backend)
    this.on('error', error => health.report(error))
  }

  /** Takes jobs from now on. */
  async start (): Promise<void> {
    await this.waitUntilReady()
    this.run().catch(error => this.emit('error', error))
  }

  async abandon () {
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
