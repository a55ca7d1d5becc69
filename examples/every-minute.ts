// Something every minute: if you cancel the task or close the app, its wait ends, and a run in progress is aborted.
// Runs do not overlap: if one takes longer than the interval, the next one starts right after it.
import { setInterval } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'

export interface EveryMinuteOptions {
  work: (app: FastifyInstance, task: Task) => Promise<void>
  /** Milliseconds. Default: 60000 */
  interval?: number
  /** The name of the task. Default: none */
  name?: string
}

export default async function everyMinute (app: FastifyInstance, { work, interval = 60_000, name }: EveryMinuteOptions) {
  app.addTask(async (app, task) => {
    const { signal, log } = task
    const ticks = setInterval(interval, undefined, { signal })
    while (true) {
      await ticks.next()
      signal.throwIfAborted() // a tick that has waited comes all the same
      try {
        await work(app, task)
      } catch (err) {
        if (signal.aborted) throw err
        log.error({ err }, 'run failed') // the next one may not
      }
    }
  }, { name, kind: 'every-minute' })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1000,
    async work (app, { log }) { log.info('cleaned up') }
  })
}
