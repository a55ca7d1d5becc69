import { Worker } from 'bullmq'

/** A worker that can be left behind: BullMQ's own renews the locks of its jobs until all of them have ended. */
export class TaskWorker extends Worker<any, any, string, any> {
  async abandon () {
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
