import { createRequire } from 'node:module'
import { hostname } from 'node:os'
import type { FastifyInstance } from 'fastify'
import type { Settings } from './options.ts'
import type { TaskLists } from './task-lists.ts'
import type { Health } from './wire.ts'

const { version } = createRequire(import.meta.url)('fastify-tasks/package.json')

/** Tells which process this is, and how the dashboard is set. */
export function routeHealth (app: FastifyInstance, lists: TaskLists, { title, readOnly, interval }: Settings): void {
  app.get('/health', async (request): Promise<Health> => ({
    title,
    readOnly,
    inspect: false,
    interval,
    fleet: app.hasDecorator('cluster'),
    instance: lists.instance,
    pid: process.pid,
    host: hostname(),
    time: Date.now(),
    uptime: process.uptime(),
    versions: { node: process.version, fastify: app.version, 'fastify-tasks': version },
    counts: await lists.counts(request)
  }))
}
