import type { FastifyInstance } from 'fastify'
import type { TaskRegistry } from '../core/task-registry.ts'
import type { Authority } from './authority.ts'
import { sendFresh } from './replies.ts'
import type { History } from './wire.ts'

/** Adds the route that counts what settled in this process in each minute of the last hour. */
export function routeHistory (app: FastifyInstance, tasks: TaskRegistry, authority: Authority): void {
  app.get('/history', async (request, reply) => {
    const mayView = await authority.may(request, 'view', {})
    const minutes = mayView ? tasks.history : null
    return sendFresh(request, reply, JSON.stringify({ minutes } satisfies History))
  })
}
