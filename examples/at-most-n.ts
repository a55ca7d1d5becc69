// At most N at a time with p-limit: any number of tasks share a few slots. One that is cancelled while it waits for a
// slot ends at once and never runs.
import type { FastifyInstance } from 'fastify'
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
    const task = app.addTask((app, { signal }) => inSlot(signal, () => encode(video, signal)), { name: video })
    return reply.code(202).send(task)
  })
}
