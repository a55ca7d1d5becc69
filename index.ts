import fp from 'fastify-plugin'
import type { FastifyInstance, preSerializationHookHandler } from 'fastify'
import { checkPluginOptions } from './lib/core/options.ts'
import { TaskRegistry } from './lib/core/task-registry.ts'
import type { FastifyTasksOptions } from './types/index.ts'

export * as errors from './lib/core/errors.ts'
export { taskStateSchema } from './lib/core/task-state.ts'
export type * from './types/fastify.ts'
export type * from './types/index.ts'

async function tasks (fastify: FastifyInstance, options: FastifyTasksOptions) {
  const registry = new TaskRegistry(fastify, checkPluginOptions(options))

  const toArray: preSerializationHookHandler<any> = (request, reply, payload, done) => {
    done(null, payload === registry.tasks ? registry.tasks.toJSON() : payload)
  }

  fastify.decorate('addTask', function (work, options) {
    const isOurs = this === fastify || Object.prototype.isPrototypeOf.call(fastify, this)
    return registry.add(isOurs ? this : fastify, work, options)
  })
  fastify.decorate('getTask', (name, options) => registry.get(name, options))
  fastify.decorate('cancelTask', (name, options) => registry.cancel(name, options))
  fastify.decorate('purgeTasks', which => registry.purge(which))
  fastify.decorate('tasks', registry.tasks)

  // If the response schema is an array, Fastify's serializer takes only an array, not an object with a toJSON.
  fastify.addHook('onRoute', route => {
    if (route.schema?.response !== undefined) route.preSerialization = [toArray].concat(route.preSerialization ?? [])
  })

  fastify.addHook('onReady', async () => registry.start())
  fastify.addHook('preClose', async () => registry.beginClose())
  fastify.addHook('onClose', () => registry.close())
}

/** Background tasks for Fastify: `app.addTask`, `getTask`, `cancelTask`, `purgeTasks` and `tasks`. After Sanic's task API. */
export default fp(tasks, { fastify: '5.x', name: 'fastify-tasks' })
