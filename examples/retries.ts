// Retries with p-retry: a delivery is tried again after 1, 2, 4, 8 and 16 seconds. The progress of the task is the
// number of the attempt. If the task is cancelled, the attempt is aborted, or the wait for the next one ends.
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import pRetry from 'p-retry'

export interface RetriesOptions {
  deliver: (order: unknown, signal: AbortSignal) => Promise<void>
  /** Milliseconds before the second attempt; every further wait is twice as long. Default: 1000 */
  minTimeout?: number
}

export default async function retries (app: FastifyInstance, { deliver, minTimeout = 1000 }: RetriesOptions) {
  app.post('/orders', async (request, reply) => {
    const task = app.addTask((app, task) => {
      const { signal, log } = task
      return pRetry(attempt => {
        task.progress = { attempt }
        return deliver(request.body, signal)
      }, {
        signal,
        retries: 5,
        minTimeout,
        onFailedAttempt ({ error, retriesLeft }) {
          signal.throwIfAborted() // an aborted attempt has not failed
          log.warn({ err: error, retriesLeft }, 'attempt failed')
        }
      })
    }, { name: `${app.prefix}/orders/${randomUUID()}`, kind: 'deliver' })
    return reply.code(202).send(task)
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(retries, {
    async deliver () {
      if (Math.random() < 0.7) throw new Error('nobody is at home')
    }
  })
}
