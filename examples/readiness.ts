// Readiness with @fastify/under-pressure: while the task server does not answer, /ready and all other routes of the
// process answer 503.
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import tasks from 'fastify-tasks'
import cluster from 'fastify-tasks/cluster'

export interface ReadinessOptions {
  /** Milliseconds between two pings of the task server. */
  interval: number
}

/** Not encapsulated, so that it applies to all routes. */
const readiness = fp(async (app: FastifyInstance, { interval }: ReadinessOptions) => {
  await app.register(underPressure, {
    exposeStatusRoute: '/ready',
    healthCheckInterval: interval,
    async healthCheck (app) {
      await app.cluster.ping() // answers within the plugin's `timeout`
      return true
    }
  })
})

export default readiness

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(cluster, { connection: process.env.TASKS_URL, timeout: 1000 })
  await app.register(readiness, { interval: 1000 })
  const thumbnails = app.cluster.defineTask('thumbnail', async () => 'the thumbnail')
  app.post('/thumbnails', async (request, reply) => reply.code(202).send(await thumbnails.addTask()))
}
