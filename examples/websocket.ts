// The receiver pattern of Sanic's guide: while the handler of a WebSocket sends, a task receives. Whichever way the
// socket goes, both end, and nothing is left of them.
import { EventEmitter, on } from 'node:events'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

declare module 'fastify' {
  interface FastifyInstance {
    events: EventEmitter
  }
}

// A client that does not answer our close frame is cut off after a second, so that it cannot hold a shutdown.
const options = { maxPayload: 65_536, closeTimeout: 1000 }

async function feed (app: FastifyInstance) {
  await app.register(websocket, { options })
  app.decorate('events', new EventEmitter().setMaxListeners(0)) // one listener a socket

  app.get('/feed', { websocket: true }, async (socket, request) => {
    // Started before addTask returns, and so in time for frames that came in the packet of the upgrade.
    const receiver = app.addTask(async (app, { signal, log }) => {
      for await (const [message] of on(socket, 'message', { signal, close: ['close'] })) log.info(`received ${message}`)
    }, { name: `receiver:${request.id}`, log: request.log })

    const events = on(app.events, 'event')
    socket.once('close', () => events.return!()) // ends the loop as if there were no more events
    try {
      for await (const [event] of events) socket.send(JSON.stringify(event))
    } finally {
      await receiver[Symbol.asyncDispose]() // on Node 24: await using receiver = app.addTask(...)
    }
  })

  app.post('/events', async (request, reply) => {
    app.events.emit('event', request.body ?? {})
    reply.code(204)
  })
}

export default fp(feed, { name: 'feed', dependencies: ['fastify-tasks'] })
