import type { FastifyInstance } from 'fastify'
import type { Live } from './live.ts'
import { readQuery, taskQuery, type TaskQuerystring } from './query.ts'

/** Adds the route that sends the list of tasks as server-sent events. */
export function routeEvents (app: FastifyInstance, live: Live, instance: string): void {
  app.get<{ Querystring: TaskQuerystring }>('/events', {
    schema: { querystring: taskQuery },
    exposeHeadRoute: false // it would open a stream that nobody reads
  }, async (request, reply) => {
    const query = readQuery(request.query, instance)
    const stream = await live.watch({ request, query }, reply.raw)
    reply.type('text/event-stream; charset=utf-8')
    reply.header('cache-control', 'no-store, no-transform')
    reply.header('x-accel-buffering', 'no') // without it, nginx buffers the frames
    // The connection is closed with the stream, so that the server's close need not wait for it. HTTP/2 has no such header.
    if (request.raw.httpVersionMajor === 1) reply.header('connection', 'close')
    return reply.send(stream)
  })

  app.addHook('preClose', async () => live.close())
}
