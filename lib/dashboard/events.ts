import type { FastifyInstance } from 'fastify'
import type { Live } from './live.ts'
import { readQuery, taskQuery, type TaskQuerystring } from './query.ts'

/** The list of tasks as a stream of server-sent events. */
export function routeEvents (app: FastifyInstance, live: Live, instance: string): void {
  app.get<{ Querystring: TaskQuerystring }>('/events', {
    schema: { querystring: taskQuery },
    exposeHeadRoute: false // it would watch, and nobody would look
  }, async (request, reply) => {
    const query = readQuery(request.query, instance)
    const stream = await live.watch({ request, query }, reply.raw)
    reply.type('text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store, no-transform')
    reply.header('x-accel-buffering', 'no') // nginx, which would keep frames back
    // The server's close waits for connections, and this one is of no other use. HTTP/2 has no such header.
    if (request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
    return reply.send(stream)
  })

  app.addHook('preClose', async () => live.close())
}
