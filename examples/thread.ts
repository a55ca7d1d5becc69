// Work for another thread with piscina: if the task is cancelled, the thread stops, even in the middle of a loop. Register
// it before fastify-tasks: onClose hooks run in reverse order, so the tasks end before the pool that they use.
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import { Piscina } from 'piscina'

export interface ThreadOptions {
  /** Default: one for each CPU */
  maxThreads?: number
}

const filename = fileURLToPath(new URL('thread-worker.js', import.meta.url))

export default async function thread (app: FastifyInstance, { maxThreads = availableParallelism() }: ThreadOptions) {
  const pool = new Piscina<number, number>({ filename, maxThreads })
  app.addHook('onClose', () => pool.destroy())

  app.put<{ Params: { limit: number } }>('/primes/:limit', {
    schema: { params: { type: 'object', properties: { limit: { type: 'integer' } } } }
  }, async (request, reply) => {
    const { limit } = request.params
    const task = app.addTask((app, { signal }) => pool.run(limit, { signal }), {
      name: `${app.prefix}/primes/${limit}`,
      kind: 'count-primes'
    })
    return reply.code(202).send(task)
  })
}

export async function program (app: FastifyInstance) {
  await app.register(thread)
  await app.register(tasks)
}
