// Errors to Sentry: every task that fails is reported, with its kind as a tag and its state beside the error.
import * as Sentry from '@sentry/node'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'

/** For the option `onError` of fastify-tasks. */
export function reportToSentry (error: unknown, task: Task) {
  Sentry.captureException(error, {
    tags: { 'task.kind': task.kind },
    contexts: { task: { ...task.toJSON() } }
  })
}

export async function program (app: FastifyInstance) {
  Sentry.init({ dsn: process.env.SENTRY_DSN })
  // Registered before fastify-tasks, and so run after it: the errors of the last tasks are sent, too.
  app.addHook('onClose', async () => { await Sentry.flush(2000) })
  await app.register(tasks, { onError: reportToSentry })

  app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(async function buildReport () {
    throw new Error('no data')
  })))
}
