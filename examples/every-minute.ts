// Something every minute: cancelling the task, or closing the app, ends its wait and reaches the run in progress.
// Runs do not overlap: those that a long one has held up come right after it.
import { setInterval } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Task } from '../index.ts'

export interface EveryMinuteOptions {
  work: (app: FastifyInstance, task: Task) => Promise<void>
  /** Milliseconds. Default: 60000 */
  interval?: number
}

export default async function everyMinute (app: FastifyInstance, { work, interval = 60_000 }: EveryMinuteOptions) {
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
  }, { name: 'every-minute' })
}
