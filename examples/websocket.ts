// The receiver pattern of Sanic's guide: while the handler of a WebSocket sends, a task receives. However the
// socket closes, both end, and no task is left. Register @fastify/websocket before it.
import { EventEmitter, on } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'

export interface FeedOptions {
  /** Each `event` of this emitter is sent to every socket. Default: an emitter of its own, for POST /events */
  events?: EventEmitter
}

/** For @fastify/websocket. A client that does not answer our close frame is cut off after a second, so it cannot delay a shutdown. */
export const websocketOptions = { maxPayload: 65_536, closeTimeout: 1000 }

export default async function feed (app: FastifyInstance, { events = new EventEmitter() }: FeedOptions) {
  events.setMaxListeners(0) // one listener a socket

  app.get('/feed', { websocket: true }, async (socket, request) => {
    // The work starts before addTask returns, so it listens in time for frames that came in the same packet as the upgrade.
    const receiver = app.addTask(async (app, { signal, log }) => {
      for await (const [message] of on(socket, 'message', { signal, close: ['close'] })) log.info(`received ${message}`)
    }, { name: `${app.prefix}/feed/${request.id}`, kind: 'receiver', log: request.log })
    // @fastify/websocket logs an error of the socket. As the reason of a cancellation it is not logged again.
    socket.once('error', reason => receiver.cancel({ reason }))

    const feed = on(events, 'event')
    socket.once('close', () => feed.return!()) // ends the loop as if there were no more events
    try {
      for await (const [event] of feed) socket.send(JSON.stringify(event))
    } finally {
      await receiver[Symbol.asyncDispose]() // on Node 24: await using receiver = app.addTask(...)
    }
  })

  app.post('/events', async (request, reply) => {
    events.emit('event', request.body ?? {})
    reply.code(204)
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(websocket, { options: websocketOptions })
  await app.register(feed)
}
