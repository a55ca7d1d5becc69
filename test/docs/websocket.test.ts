import { EventEmitter, once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import websocket from '@fastify/websocket'
import t, { type Test } from 'tap'
import WebSocket from 'ws'
import feed, { websocketOptions } from '../../examples/websocket.ts'
import { buildApp } from '../core/fixtures/app.ts'

async function listeningApp (t: Test) {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  await app.register(websocket, { options: websocketOptions })
  await app.register(feed, { events })
  await app.listen()
  const { port } = app.server.address() as AddressInfo

  async function open () {
    const socket = new WebSocket(`ws://localhost:${port}/feed`)
    await once(socket, 'open')
    return socket
  }

  /** Resolves once a line says `msg`. */
  async function logged (msg: string) {
    while (!lines.some(line => line.msg === msg)) await new Promise(resolve => setImmediate(resolve))
    return lines.find(line => line.msg === msg)!
  }

  async function nothingIsLeft (t: Test) {
    while (app.tasks.size > 0) await new Promise(resolve => setImmediate(resolve))
    t.equal(events.listenerCount('event'), 0, 'no listener')
    t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
  }

  return { app, lines, events, port, open, logged, nothingIsLeft }
}

/** A client that writes its upgrade request and a first frame at once. */
async function rawClient (port: number, text: string): Promise<Socket> {
  const socket = connect(port, 'localhost')
  await once(socket, 'connect')
  const upgrade = [
    'GET /feed HTTP/1.1',
    'host: localhost',
    'connection: upgrade',
    'upgrade: websocket',
    'sec-websocket-version: 13',
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n'
  ].join('\r\n')
  const unmasked = Buffer.from([0, 0, 0, 0])
  const frame = Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), unmasked, Buffer.from(text)])
  socket.write(Buffer.concat([Buffer.from(upgrade), frame]))
  return socket
}

t.test('every socket is sent every event', async t => {
  const { app, open } = await listeningApp(t)
  const sockets = await Promise.all([open(), open(), open()])
  const messages = sockets.map(socket => once(socket, 'message'))

  const { statusCode } = await app.inject({ method: 'POST', url: '/events', payload: { hello: 'sockets' } })

  t.equal(statusCode, 204)
  for (const [message] of await Promise.all(messages)) t.equal(String(message), '{"hello":"sockets"}')
})

t.test('an event needs no body', async t => {
  const { app, open } = await listeningApp(t)
  const socket = await open()
  const message = once(socket, 'message')

  await app.inject({ method: 'POST', url: '/events' })

  t.equal(String((await message)[0]), '{}')
})

t.test('a receiver logs what its socket sends, with the logger of its request', async t => {
  const { app, open, logged } = await listeningApp(t)
  const socket = await open()
  const [receiver] = app.tasks

  socket.send('ping')

  t.match(await logged('received ping'), { task: receiver!.name!, reqId: receiver!.name!.slice('/feed/'.length) })
})

t.test('a frame in the packet of the upgrade request is received', async t => {
  const { port, logged } = await listeningApp(t)
  const socket = await rawClient(port, 'early bird')

  t.ok(await logged('received early bird'))
  socket.destroy()
})

for (const manner of ['close', 'terminate'] as const) {
  for (const number of [1, 500]) {
    t.test(`${number} sockets leave no task and no listener after ${manner}()`, async t => {
      const { app, events, open, nothingIsLeft } = await listeningApp(t)
      const sockets = []
      for (let i = 0; i < number; i++) sockets.push(await open())
      t.equal(app.tasks.size, number)
      t.equal(events.listenerCount('event'), number)

      for (const socket of sockets) socket[manner]()

      await nothingIsLeft(t)
    })
  }
}

t.test('closing the app ends its sockets and their receivers', async t => {
  const { app, open, nothingIsLeft } = await listeningApp(t)
  const sockets = await Promise.all([open(), open()])
  const closes = sockets.map(socket => once(socket, 'close'))

  await app.close()

  for (const [code] of await Promise.all(closes)) t.equal(code, 1005)
  await nothingIsLeft(t)
})

t.test('a client that does not answer the close frame does not delay the app', async t => {
  const { app, port, logged, nothingIsLeft } = await listeningApp(t)
  const socket = await rawClient(port, 'I never close')
  await logged('received I never close')
  socket.pause()

  const closed = performance.now()
  await app.close()
  const duration = performance.now() - closed

  t.ok(duration < 25_000, `${duration} ms, where ws would wait for 30 s`)
  await nothingIsLeft(t)
  socket.destroy()
})

t.test('an error of the emitter is logged, and ends the socket and its receiver', async t => {
  const { app, lines, events, open } = await listeningApp(t)
  const socket = await open()

  events.emit('error', new Error('no more events'))
  await once(socket, 'close')

  await app.tasks.idle()
  t.equal(app.tasks.size, 0)
  t.match(lines.filter(line => line.level > 30), [{ err: { message: 'no more events' } }])
})

t.test('a frame that is too large is logged once, and ends the socket and its receiver', async t => {
  const { app, lines, open, events } = await listeningApp(t)
  const socket = await open()
  const [receiver] = app.tasks

  socket.send('x'.repeat(websocketOptions.maxPayload + 1))
  await once(socket, 'close')

  await app.tasks.idle()
  t.match(lines.filter(line => line.level > 30), { length: 1, 0: { err: { code: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' } } })
  t.equal(receiver!.status, 'cancelled')
  while (app.tasks.size > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(events.listenerCount('event'), 0)
})

t.test('two feeds of one app have sockets and events of their own', async t => {
  const { app } = await buildApp(t)
  await app.register(websocket, { options: websocketOptions })
  await app.register(feed, { prefix: '/news' })
  await app.register(feed, { prefix: '/sports' })
  const url = await app.listen()
  const sockets = ['news', 'sports'].map(prefix => new WebSocket(`${url.replace('http', 'ws')}/${prefix}/feed`))
  await Promise.all(sockets.map(socket => once(socket, 'open')))
  const messages = sockets.map(socket => once(socket, 'message'))

  await app.inject({ method: 'POST', url: '/news/events', payload: { paper: 1 } })
  await app.inject({ method: 'POST', url: '/sports/events', payload: { ball: 2 } })

  t.equal(String((await messages[0]!)[0]), '{"paper":1}')
  t.equal(String((await messages[1]!)[0]), '{"ball":2}')
})
