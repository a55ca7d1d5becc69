// Progress to the browser with @fastify/sse: a task's state is streamed whenever it has changed, until it has settled.
// As an EventSource connects again when a stream ends, the page closes its own once the state has a `settledAt`.
import { setTimeout as sleep } from 'node:timers/promises'
import { fastifySSE } from '@fastify/sse'
import type { FastifyInstance } from 'fastify'

export interface ProgressOptions {
  /** Milliseconds between two looks at the task. Default: 250 */
  interval?: number
}

export default async function progress (app: FastifyInstance, { interval = 250 }: ProgressOptions) {
  await app.register(fastifySSE)

  // The server waits for open responses before onClose hooks run, and so before the tasks are cancelled.
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())

  app.get<{ Params: { name: string } }>('/reports/:name/progress', { sse: 'only' }, async (request, reply) => {
    const task = app.getTask(request.params.name)
    reply.header('connection', 'close') // else it stays open, idle, and the server waits for it too
    let sent
    while (reply.sse.isConnected && !closing.signal.aborted) {
      const state = JSON.stringify(task)
      if (state !== sent) {
        await reply.sse.send(state)
        sent = state
      } else if (task.settled) {
        break
      } else {
        await sleep(interval)
      }
    }
  })
}
