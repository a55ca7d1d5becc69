// At most N at a time with p-limit: any number of tasks share a few slots. One that is cancelled while it waits for a
// slot ends at once and never runs.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import pLimit from 'p-limit'

export interface AtMostNOptions {
  encode: (video: string, signal: AbortSignal) => Promise<void>
  /** How many run at a time. Default: 2 */
  concurrency?: number
}

export default async function atMostN (app: FastifyInstance, { encode, concurrency = 2 }: AtMostNOptions) {
  const limit = pLimit(concurrency)

  /** p-limit knows no signals: whoever is aborted leaves here, and has nothing to run when its turn comes. */
  function inSlot (signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => reject(signal.reason)
      signal.addEventListener('abort', leave)
      limit(() => {
        signal.throwIfAborted()
        signal.removeEventListener('abort', leave)
        return work()
      }).then(resolve, reject)
    })
  }

  app.put<{ Params: { video: string } }>('/videos/:video', async (request, reply) => {
    const { video } = request.params
    // A name that comes from a client has a prefix, so that a client reaches the tasks of this route and no others.
    const task = app.addTask((app, { signal }) => inSlot(signal, () => encode(video, signal)), {
      name: `${app.prefix}/videos/${video}`,
      kind: 'encode'
    })
    return reply.code(202).send(task)
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(atMostN, { encode: (video, signal) => sleep(5000, undefined, { signal }) })
}
