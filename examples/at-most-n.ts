// At most N at a time with p-limit: any number of tasks share a few slots. A task that is cancelled while it waits for a slot
// ends at once and never encodes. A task that waits is `running`, because its work has begun. So its option `timeout` would
// count the wait; the timeout here starts with the encoding.
//
// The option `concurrency` of a kind of fastify-tasks/cluster does the same, also without a server. There a task that waits is
// `deferred`, and its `timeout` starts when it does.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import pLimit from 'p-limit'

export interface AtMostNOptions {
  encode: (video: string, signal: AbortSignal) => Promise<void>
  /** How many run at a time. Default: 2 */
  concurrency?: number
  /** Milliseconds that one encoding may take, without the wait for a slot. Default: one hour */
  timeout?: number
}

export default async function atMostN (app: FastifyInstance, { encode, concurrency = 2, timeout = 3_600_000 }: AtMostNOptions) {
  const limit = pLimit(concurrency)

  /** p-limit takes no signal. So work that is aborted while it waits rejects here, and does nothing when its turn comes. */
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

  /** Not `AbortSignal.timeout()`: Node 20 may collect a signal that only `AbortSignal.any()` knows, and then it never fires. */
  async function encodeInTime (video: string, signal: AbortSignal): Promise<void> {
    const timer = new AbortController()
    const late = setTimeout(() => timer.abort(new DOMException('The encoding took too long', 'TimeoutError')), timeout)
    try {
      await encode(video, AbortSignal.any([signal, timer.signal]))
    } finally {
      clearTimeout(late)
    }
  }

  app.put<{ Params: { video: string } }>('/videos/:video', async (request, reply) => {
    const { video } = request.params
    // A name that comes from a client has a prefix, so that a client reaches the tasks of this route and no others.
    const task = app.addTask((app, { signal }) => inSlot(signal, () => encodeInTime(video, signal)), {
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
