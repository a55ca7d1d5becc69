import { hostname } from 'node:os'
import type { FastifyInstance } from 'fastify'
import { version } from './built.ts'
import type { Settings } from './options.ts'
import { sendJson } from './replies.ts'
import type { TaskLists } from './task-lists.ts'
import type { Health } from './wire.ts'

/** Adds the route that describes the process and the settings of the dashboard. */
export function routeHealth (app: FastifyInstance, lists: TaskLists, { title, readOnly, inspect, interval }: Settings): void {
  app.get('/health', async (request, reply) => sendJson(reply, JSON.stringify({
    title,
    readOnly,
    inspect,
    interval,
    fleet: app.hasDecorator('cluster'),
    instance: lists.instance,
    pid: process.pid,
    host: hostname(),
    time: Date.now(),
    uptime: process.uptime(),
    versions: { node: process.version, fastify: app.version, 'fastify-tasks': version },
    counts: await lists.counts(request)
  } satisfies Health)))
}
