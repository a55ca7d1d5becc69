import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, constants, type Http2ServerResponse } from 'node:http2'
import { connect as connectSocket, type AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import tasks, { type Task, type TaskReply } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

/** A client with an event loop of its own, that tells how long the response was as soon as it has all of it. */
const threadedClient = `
  const { workerData: { url, http2, received } } = require('node:worker_threads')
  function done (body) {
    Atomics.store(received, 0, body.length)
    Atomics.notify(received, 0)
  }
  if (http2) {
    const session = require('node:http2').connect(url)
    require('node:stream/consumers').text(session.request({ ':path': '/' })).then(done).finally(() => session.close())
  } else {
    fetch(url).then(response => response.text()).then(done)
  }
`

/** What the work returned; the status it is stuck in where it would never start. */
function outcome (task: Task): Promise<unknown> {
  return Promise.race([task.finished, sleep(30_000, undefined, { ref: false }).then(() => task.status)])
}

/** How many listeners a source carries, of all events. */
function countListeners (source: NodeJS.EventEmitter): number {
  return source.eventNames().reduce((count, name) => count + source.listenerCount(name), 0)
}

for (const size of [10, 1_000_000]) {
  t.test(`the client has the whole response, of ${size} bytes, before the work runs`, async t => {
    const { app } = await buildApp(t)
    const received = new Int32Array(new SharedArrayBuffer(4))
    app.get('/', async (request, reply) => {
      // Waits without letting go of the event loop: nothing that is not sent yet can be sent.
      app.addTask(() => Atomics.wait(received, 0, 0, 60_000), { name: 'after', after: reply })
      return 'x'.repeat(size)
    })
    const url = await app.listen()

    const client = new Worker(threadedClient, { eval: true, execArgv: [], workerData: { url, received } })
    await once(client, 'exit')
    const task = app.getTask('after')

    t.ok(['ok', 'not-equal'].includes(await task.finished as string))
    t.equal(received[0], size)
  })
}

t.test('the task is deferred until the response has been sent', async t => {
  const { app } = await buildApp(t)
  const stream = new PassThrough()
  const started = withResolvers()
  app.get('/', (request, reply) => {
    app.addTask(() => { started.resolve() }, { name: 'after', after: reply })
    return reply.send(stream)
  })
  const url = await app.listen()
  stream.write('first')

  const response = await fetch(url)
  const reader = response.body!.getReader()
  await reader.read()
  const task = app.getTask('after')
  t.equal(task.status, 'deferred')
  t.equal(task.startedAt, undefined)
  t.equal(await isPending(started.promise), true)

  stream.end('last')
  while (!(await reader.read()).done);
  await started.promise
  await task.finished
  t.equal(task.status, 'completed')
  t.ok(task.startedAt! >= task.createdAt)
})

t.test('a client need not wait for the work, nor for the connection to close', async t => {
  const { app } = await buildApp(t)
  const started = withResolvers<Task>()
  app.get('/', async (request, reply) => {
    app.addTask((app, task) => {
      started.resolve(task)
      return untilAborted(app, task)
    }, { after: reply })
    return 'sent'
  })
  const url = await app.listen()

  const response = await fetch(url, { headers: { connection: 'keep-alive' } })
  t.equal(await response.text(), 'sent')
  t.equal((await started.promise).status, 'running')
})

t.test('a task starts after an error response, too', async t => {
  const { app } = await buildApp(t)
  app.get('/', async (request, reply) => {
    app.addTask(() => 'ran', { name: 'after', after: reply })
    throw new Error('broken')
  })
  const url = await app.listen()

  t.equal((await fetch(url)).status, 500)
  t.equal(await outcome(app.getTask('after')), 'ran')
})

t.test('a task added after a hijacked reply starts when its response ends', async t => {
  const { app } = await buildApp(t)
  app.get('/', (request, reply) => {
    app.addTask(() => 'ran', { name: 'after', after: reply })
    reply.hijack()
    reply.raw.end('by hand')
  })
  const url = await app.listen()

  t.equal(await (await fetch(url)).text(), 'by hand')
  t.equal(await outcome(app.getTask('after')), 'ran')
})

t.test('the task starts once the client has gone', async t => {
  const { app } = await buildApp(t)
  const added = withResolvers<Task>()
  app.get('/', (request, reply) => {
    added.resolve(app.addTask(() => 'ran', { name: 'after', after: reply }))
    return reply.hijack()
  })
  await app.listen()
  const { port } = app.server.address() as AddressInfo

  const client = request({ port })
  client.on('error', () => {})
  client.end()
  const task = await added.promise
  t.equal(task.status, 'deferred')

  client.destroy()
  t.equal(await outcome(task), 'ran')
})

t.test('the task starts once the client has gone in the middle of the response', async t => {
  const { app } = await buildApp(t)
  app.get('/', (request, reply) => {
    app.addTask(() => 'ran', { name: 'after', after: reply })
    const stream = new PassThrough()
    stream.write('first')
    return reply.send(stream)
  })
  await app.listen()
  const { port } = app.server.address() as AddressInfo

  const client = request({ port }).end()
  client.on('error', () => {})
  const [response] = await once(client, 'response')
  await once(response, 'data')
  const task = app.getTask('after')
  t.equal(task.status, 'deferred')

  client.destroy()
  t.equal(await outcome(task), 'ran')
})

t.test('a task added after its reply was sent starts at once', async t => {
  const { app } = await buildApp(t)
  let sent: FastifyReply | undefined
  app.get('/', async (request, reply) => {
    sent = reply
    return 'sent'
  })
  const url = await app.listen()
  await (await fetch(url)).text()

  t.equal(await outcome(app.addTask(() => 'at once', { after: sent! })), 'at once')
  await immediate()
  t.equal(await outcome(app.addTask(() => 'later', { after: sent! })), 'later')
})

t.test('a task added after its client has gone starts at once', async t => {
  const { app } = await buildApp(t)
  const received = withResolvers()
  let gone: FastifyReply | undefined
  app.get('/', (request, reply) => {
    gone = reply
    received.resolve()
    return reply.hijack()
  })
  await app.listen()
  const { port } = app.server.address() as AddressInfo
  const client = request({ port }).end()
  client.on('error', () => {})
  await received.promise
  client.destroy()
  await once(gone!.raw, 'close')

  t.equal(await outcome(app.addTask(() => 'at once', { after: gone! })), 'at once')
  await immediate()
  t.equal(await outcome(app.addTask(() => 'later', { after: gone! })), 'later')
})

for (const added of ['in the handler', 'in the handler, a turn later', 'in an onResponse hook', 'afterwards']) {
  t.test(`with app.inject a task that is added ${added}, when the reply was sent, starts all the same`, async t => {
    const { app } = await buildApp(t)
    let add = () => app.addTask(() => 'ran', { name: 'after' })
    app.get('/', async (request, reply) => {
      add = () => app.addTask(() => 'ran', { name: 'after', after: reply })
      reply.send('sent')
      if (added === 'in the handler') add()
      if (added === 'in the handler, a turn later') await immediate().then(add)
      return reply
    })
    app.addHook('onResponse', async () => {
      if (added === 'in an onResponse hook') add()
    })

    await app.inject('/')
    if (added === 'afterwards') add()
    if (added === 'in the handler, a turn later') await immediate()

    t.equal(await outcome(app.getTask('after')), 'ran')
  })
}

t.test('many tasks that are added after a sent reply leave no listeners on it', async t => {
  const { app } = await buildApp(t)
  const warnings = processEvents(t, 'warning')
  let sent: FastifyReply | undefined
  app.get('/', async (request, reply) => {
    sent = reply
    return 'sent'
  })
  const url = await app.listen()
  await (await fetch(url)).text()
  await app.addTask(() => {}, { after: sent! }).finished
  const afterOne = countListeners(sent!.raw)

  for (let i = 0; i < 50; i++) await app.addTask(() => {}, { after: sent! }).finished
  await immediate()

  t.strictSame(warnings, [])
  t.equal(countListeners(sent!.raw), afterOne)
})

t.test('task.log is a child of the request\'s logger', async t => {
  const { app, lines } = await buildApp(t)
  app.get('/', async (request, reply) => {
    app.addTask((app, { log }) => log.info('at work'), { name: 'after', after: reply })
    return request.id
  })

  const { body } = await app.inject('/')
  await app.tasks.idle()

  t.match(lines.find(line => line.msg === 'at work'), { reqId: body, task: 'after' })
  t.match(lines.find(line => line.msg === 'task completed'), { reqId: body, task: 'after' })
})

t.test('the option log comes before the request\'s logger', async t => {
  const { app, lines } = await buildApp(t)
  app.get('/', async (request, reply) => {
    app.addTask((app, { log }) => log.info('at work'), { after: reply, log: app.log.child({ own: true }) })
    return 'sent'
  })

  await app.inject('/')
  await app.tasks.idle()

  const line = lines.find(line => line.msg === 'at work')
  t.match(line, { own: true, task: 1 })
  t.equal(line?.reqId, undefined)
})

t.test('fifty tasks after one reply raise no MaxListenersExceededWarning, and all start', async t => {
  const { app } = await buildApp(t)
  const warnings = processEvents(t, 'warning')
  const order: number[] = []
  app.get('/', async (request, reply) => {
    for (let i = 0; i < 50; i++) app.addTask(() => { order.push(i) }, { after: reply })
    return 'sent'
  })
  const url = await app.listen()

  await (await fetch(url)).text()
  await app.tasks.idle()
  await immediate()

  t.strictSame(order, Array.from({ length: 50 }, (_, i) => i))
  t.strictSame(warnings, [])
})

t.test('a task that is cancelled before the response ends never runs and leaves no listener on the response', async t => {
  const { app } = await buildApp(t)
  let runs = 0
  const counts: number[] = []
  app.get('/', async (request, reply) => {
    counts.push(countListeners(reply.raw))
    const outer = new AbortController()
    const named = app.addTask(() => { runs++ }, { name: 'named', after: reply })
    const followed = app.addTask(() => { runs++ }, { name: 'followed', after: reply, signal: outer.signal })
    counts.push(countListeners(reply.raw))
    await named.cancel({ reason: 'no use' })
    outer.abort('no use')
    t.equal(named.status, 'cancelled')
    t.equal(followed.status, 'cancelled')
    counts.push(countListeners(reply.raw))
    return 'sent'
  })
  const url = await app.listen()

  t.equal(await (await fetch(url)).text(), 'sent')
  await immediate()

  t.equal(runs, 0)
  t.ok(counts[1]! > counts[0]!)
  t.equal(counts[2], counts[0])
  t.equal(app.getTask('named').startedAt, undefined)
})

t.test('a task that is cancelled leaves the reply to the others', async t => {
  const { app } = await buildApp(t)
  app.get('/', async (request, reply) => {
    const other = app.addTask(() => 'ran', { name: 'other', after: reply })
    const cancelled = app.addTask(() => 'ran', { after: reply })
    await cancelled.cancel()
    t.equal(other.status, 'deferred')
    return 'sent'
  })

  await app.inject('/')

  t.equal(await outcome(app.getTask('other')), 'ran')
})

t.test('a task with an aborted signal never runs', async t => {
  const { app } = await buildApp(t)
  let runs = 0
  app.get('/', async (request, reply) => {
    const before = countListeners(reply.raw)
    app.addTask(() => { runs++ }, { name: 'after', after: reply, signal: AbortSignal.abort('over') })
    t.equal(countListeners(reply.raw), before)
    return 'sent'
  })

  await app.inject('/')
  await immediate()

  t.equal(runs, 0)
  t.match(app.getTask('after'), { status: 'cancelled', error: 'over' })
})

t.test('for a promise, after only sets the logger', async t => {
  const { app, lines } = await buildApp(t)
  app.get('/', async (request, reply) => {
    const task = app.addTask(deaf(), { name: 'promise', after: reply })
    t.equal(task.status, 'running')
    task.log.info('look')
    return task
  })

  t.match((await app.inject('/')).json(), { status: 'running' })
  t.type(lines.find(line => line.msg === 'look')?.reqId, 'string')
})

t.test('the work runs in the async context of the addTask call', async t => {
  const { app } = await buildApp(t)
  const context = new AsyncLocalStorage<string>()
  const stores: [string, string | undefined][] = []
  const work = (name: string) => async () => {
    stores.push([name, context.getStore()])
    await immediate()
    stores.push([name, context.getStore()])
  }
  app.get('/', async (request, reply) => {
    context.run('one', () => app.addTask(work('one'), { after: reply }))
    context.run('two', () => app.addTask(work('two'), { after: reply }))
    app.addTask(work('none'), { after: reply })
    return 'sent'
  })
  const url = await app.listen()

  await context.run('client', async () => (await fetch(url)).text())
  await app.tasks.idle()

  t.strictSame(stores.slice(0, 3), [['one', 'one'], ['two', 'two'], ['none', undefined]])
  t.strictSame(stores.slice(3).sort(), [['none', undefined], ['one', 'one'], ['two', 'two']])
})

t.test('app.inject is answered before the task starts', async t => {
  const { app } = await buildApp(t)
  const order: string[] = []
  app.addHook('onResponse', async () => { order.push('response') })
  app.post('/', async (request, reply) => {
    const task = app.addTask(() => { order.push('task') }, { after: reply })
    order.push(task.status)
    return task
  })

  const response = await app.inject({ method: 'POST', url: '/', payload: { some: 'body' } })
  await app.tasks.idle()

  t.match(response.json(), { status: 'deferred' })
  t.strictSame(order, ['deferred', 'response', 'task'])
})

t.test('a task of a reply that comes before the app is ready waits for the reply only', async t => {
  const { app } = await buildApp(t)
  let first: Task | undefined
  app.get('/', async (request, reply) => {
    first ??= app.addTask(() => 'ran', { after: reply })
    return 'sent'
  })

  await app.inject('/')

  t.equal(await outcome(first!), 'ran')
})

t.test('closing the app cancels a task that waits for its reply', async t => {
  const { app } = await buildApp(t)
  let runs = 0
  const added = withResolvers<Task>()
  const { promise: replied, resolve: reply } = withResolvers()
  app.get('/', async (request, reply) => {
    added.resolve(app.addTask(() => { runs++ }, { after: reply, drain: true }))
    await replied
    return 'sent'
  })

  const response = app.inject('/').then(response => response.body)
  const task = await added.promise
  await app.close()

  t.equal(task.status, 'cancelled')
  t.match(task.error, { name: 'AbortError' })
  reply()
  t.equal(await response, 'sent')
  await immediate()
  t.equal(runs, 0)
})

/** An app that speaks HTTP/2 without TLS. */
async function buildHttp2App (t: Test) {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(tasks)
  return app
}

for (const size of [10, 1_000_000]) {
  t.test(`over HTTP/2 the client has the whole response, of ${size} bytes, before the work runs`, async t => {
    const app = await buildHttp2App(t)
    const received = new Int32Array(new SharedArrayBuffer(4))
    app.get('/', async (request, reply) => {
      const task = app.addTask(() => Atomics.wait(received, 0, 0, 60_000), { name: 'after', after: reply })
      t.equal(task.status, 'deferred')
      return 'x'.repeat(size)
    })
    const url = await app.listen()

    const client = new Worker(threadedClient, { eval: true, execArgv: [], workerData: { url, received, http2: true } })
    await once(client, 'exit')
    const task = app.getTask('after')

    t.ok(['ok', 'not-equal'].includes(await task.finished as string))
    t.equal(received[0], size)
  })
}

t.test('over HTTP/2 fifty tasks raise no warning and start once each', async t => {
  const app = await buildHttp2App(t)
  const warnings = processEvents(t, 'warning')
  let runs = 0
  app.get('/', async (request, reply) => {
    for (let i = 0; i < 50; i++) app.addTask(() => { runs++ }, { after: reply })
    return 'sent'
  })
  const session = connect(await app.listen())
  t.teardown(() => session.destroy())

  t.equal(await text(session.request({ ':path': '/' })), 'sent')
  await app.tasks.idle()
  await immediate()

  t.equal(runs, 50)
  t.strictSame(warnings, [])
})

t.test('over HTTP/2 the task starts once the client has gone', async t => {
  const app = await buildHttp2App(t)
  const added = withResolvers<Task>()
  app.get('/', (request, reply) => {
    added.resolve(app.addTask(() => 'ran', { after: reply }))
    return reply.hijack()
  })
  const session = connect(await app.listen())
  t.teardown(() => session.destroy())

  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  const task = await added.promise
  t.equal(task.status, 'deferred')

  stream.close(8) // CANCEL
  t.equal(await outcome(task), 'ran')
})

t.test('over HTTP/2 the task starts after a reply that was sent already', async t => {
  const app = await buildHttp2App(t)
  let sent: TaskReply | undefined
  app.get('/', async (request, reply) => {
    sent = reply
    return 'sent'
  })
  const session = connect(await app.listen())
  t.teardown(() => session.destroy())
  await text(session.request({ ':path': '/' }))

  const task = app.addTask(() => 'ran', { after: sent! })

  t.equal(await outcome(task), 'ran')
})

t.test('over HTTP/2 the task starts after a reply whose client had gone already', async t => {
  const app = await buildHttp2App(t)
  const received = withResolvers()
  let gone: TaskReply | undefined
  app.get('/', (request, reply) => {
    gone = reply
    received.resolve()
    return reply.hijack()
  })
  const session = connect(await app.listen())
  t.teardown(() => session.destroy())
  session.request({ ':path': '/' }).on('error', () => {})
  await received.promise
  session.destroy()
  await once(gone!.raw, 'close')

  t.equal(await outcome(app.addTask(() => 'at once', { after: gone! })), 'at once')
  await immediate()
  t.equal(await outcome(app.addTask(() => 'later', { after: gone! })), 'later')
})

/** Asks over HTTP/2 for more than its windows hold, so that the end of the response stays unsent. */
async function askForMuch (t: Test, onRequest: (app: FastifyInstance, reply: TaskReply) => void = () => {}) {
  const app = await buildHttp2App(t) as unknown as FastifyInstance
  let raw: Http2ServerResponse | undefined
  app.get('/', async (_request, reply) => {
    raw = reply.raw as unknown as Http2ServerResponse
    onRequest(app, reply)
    return 'x'.repeat(1_000_000)
  })
  const url = new URL(await app.listen())
  const socket = connectSocket(Number(url.port), url.hostname)
  const session = connect(url, { createConnection: () => socket })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const stream = session.request({ ':path': '/' })
  stream.on('error', () => {})
  await once(stream, 'response')
  t.equal(raw!.writableFinished, false)
  t.teardown(() => raw!.stream.destroy()) // Node leaves a stream open that was reset without an error, and its server
  return { app, reply: { raw: raw!, log: app.log }, client: { stream, session, socket }, aborted: once(raw!.stream, 'aborted') }
}

type Client = Awaited<ReturnType<typeof askForMuch>>['client']

for (const [how, leave] of Object.entries<(client: Client) => void>({
  'cancels its stream': ({ stream }) => stream.close(constants.NGHTTP2_CANCEL),
  'resets its stream without an error': ({ stream }) => stream.close(constants.NGHTTP2_NO_ERROR),
  'destroys its stream': ({ stream }) => stream.destroy(),
  'destroys its session': ({ session }) => session.destroy(),
  'cuts its connection': ({ socket }) => socket.destroy()
})) {
  t.test(`over HTTP/2 a task starts once its client ${how} with bytes unsent`, async t => {
    let runs = 0
    const { app, client } = await askForMuch(t, (app, reply) => { app.addTask(() => { runs++ }, { name: 'after', after: reply }) })
    t.equal(app.getTask('after').status, 'deferred')

    leave(client)

    await outcome(app.getTask('after'))
    t.equal(app.getTask('after').status, 'completed')
    await app.tasks.idle()
    await immediate()
    t.equal(runs, 1)
  })

  t.test(`over HTTP/2 a task that is added after its client ${how} with bytes unsent starts all the same`, async t => {
    const { app, reply, client, aborted } = await askForMuch(t)
    leave(client)
    await aborted

    t.equal(await outcome(app.addTask(() => 'at once', { after: reply })), 'at once')
    await immediate()
    t.equal(await outcome(app.addTask(() => 'later', { after: reply })), 'later')
  })

  t.test(`over HTTP/2 a draining task runs though its client ${how} with bytes unsent and the app closes`, async t => {
    const { app, reply, client, aborted } = await askForMuch(t, (app, reply) => { app.addTask(() => 'ran', { name: 'after', after: reply, drain: true }) })
    leave(client)
    await aborted
    const closed = app.close()
    client.session.destroy()
    reply.raw.stream.destroy()
    await closed

    t.equal(app.getTask('after').result, 'ran')
  })
}

for (const http2 of [false, true]) {
  t.test(`${http2 ? 'over HTTP/2 ' : ''}a draining task runs when its client leaves a closing app`, async t => {
    const app = Fastify({ http2: http2 as false })
    t.teardown(() => app.close())
    await app.register(tasks)
    const added = withResolvers<Task>()
    app.get('/', (request, reply) => {
      added.resolve(app.addTask(() => 'ran', { after: reply, drain: true }))
      return reply.hijack()
    })
    const url = new URL(await app.listen())
    const client = http2 ? connect(url) : connectSocket(Number(url.port), url.hostname)
    t.teardown(() => client.destroy())
    if ('request' in client) client.request({ ':path': '/' }).on('error', () => {})
    else client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const task = await added.promise

    const closed = app.close()
    client.destroy()
    await closed

    t.equal(task.result, 'ran')
  })
}

t.test('a draining task runs when a closing app cuts its connection off', async t => {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(tasks)
  const added = withResolvers<Task>()
  app.get('/', (request, reply) => {
    added.resolve(app.addTask(() => 'ran', { after: reply, drain: true }))
    return reply.hijack()
  })
  const response = fetch(await app.listen())
  const task = await added.promise

  await Promise.all([app.close(), t.rejects(response)])

  t.equal(task.result, 'ran')
})

t.test('a running task keeps neither its response alive nor a listener on it', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers()
  const responses: WeakRef<TaskReply['raw']>[] = []
  app.get('/', async (request, reply) => {
    responses.push(new WeakRef(reply.raw))
    app.addTask(() => work.promise, { after: reply })
    return 'sent'
  })
  const url = await app.listen()

  for (let i = 0; i < 20; i++) await (await fetch(url)).text()
  await immediate()
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()

  t.strictSame(Array.from(app.tasks, task => task.status), Array(20).fill('running'))
  const kept = responses.filter(response => response.deref() !== undefined).length
  t.ok(kept <= 2, `${kept} of 20 kept, of which the last may still be its socket's`)
  work.resolve()
})

t.test('a request as after is refused', async t => {
  const { app } = await buildApp(t)
  let runs = 0
  app.get('/', async (request, reply) => {
    for (const slip of [request, request.raw, reply.raw]) {
      t.throws(() => app.addTask(() => { runs++ }, { after: slip as never }), {
        code: 'FST_ERR_TASK_INVALID_OPTION',
        message: /"after" of an unnamed task must be a reply, received/
      })
    }
    return 'sent'
  })

  t.equal((await app.inject('/')).body, 'sent')
  t.equal(runs, 0)
  t.equal(app.tasks.size, 0)
})

/** A connection that has sent several requests at once, and a server that has not answered the first. */
async function pipeline (t: Test, count: number, onRequest: (app: FastifyInstance, reply: FastifyReply, number: number) => void) {
  const { app } = await buildApp(t)
  const warnings = processEvents(t, 'warning')
  const all = withResolvers<void>()
  const replies: FastifyReply[] = []
  app.get('/', (request, reply) => {
    replies.push(reply)
    onRequest(app, reply, replies.length)
    if (replies.length === count) all.resolve()
    if (replies.length > 1) reply.send('sent')
    else reply.hijack()
  })
  const url = new URL(await app.listen())
  const socket = connectSocket(Number(url.port), url.hostname)
  t.teardown(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(count))
  await all.promise
  return { app, socket, replies, warnings }
}

t.test('a task of a pipelined request whose response still waits starts when the client leaves', async t => {
  const { app, socket } = await pipeline(t, 2, (app, reply, number) => {
    if (number === 2) app.addTask(() => 'ran', { name: 'after', after: reply })
  })
  t.equal(app.getTask('after').status, 'deferred')
  socket.destroy()
  t.equal(await outcome(app.getTask('after')), 'ran')
})

t.test('a task that is added after the client of a pipelined request has left starts all the same', async t => {
  const { app, socket, replies } = await pipeline(t, 2, () => {})
  socket.destroy()
  await once(replies[0]!.raw, 'close')
  t.equal(await outcome(app.addTask(() => 'ran', { after: replies[1]! })), 'ran')
})

t.test('many pipelined requests with tasks leave no listener and raise no warning', async t => {
  const { app, replies, warnings } = await pipeline(t, 20, (app, reply) => { app.addTask(() => 'ran', { after: reply }) })
  const { socket } = replies[0]!.raw.req
  const before = socket.listenerCount('close')
  t.ok(before < 5, `${before} listeners`)
  replies[0]!.raw.end()
  await app.tasks.idle()
  t.ok(socket.listenerCount('close') < before, 'ours is gone')
  t.strictSame(warnings, [])
})
