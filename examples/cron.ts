// Cron with croner: one task owns the schedule, so if you cancel the task or close the app, the
// schedule stops, after the run in progress has ended. Runs do not overlap. A run that fails does not end the schedule.
import { once } from 'node:events'
import { Cron } from 'croner'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'

export interface CronOptions {
  /** Such as '0 3 * * *' for every night at three. */
  pattern: string
  work: (app: FastifyInstance, task: Task) => Promise<void>
  /** The name of the task. Default: none */
  name?: string
}

export default async function cron (app: FastifyInstance, { pattern, work, name }: CronOptions) {
  app.addTask(async (app, task) => {
    const { signal, log } = task
    let running: Promise<void> | undefined
    const job = new Cron(pattern, {
      protect: true, // skips what is due while a run is in progress
      catch (err, job) {
        if (!job.isStopped()) log.error({ err }, 'run failed') // the last run's error is the task's, see below
      }
    }, () => (running = work(app, task)))

    await once(signal, 'abort')
    job.stop()
    if (job.isBusy()) await running
    signal.throwIfAborted()
  }, { name, kind: 'cron' })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(cron, {
    name: 'clean-up',
    pattern: '* * * * * *',
    async work (app, { log }) { log.info('cleaned up') }
  })
}
