import { once } from 'node:events'
import { get } from 'node:http'
import { connect } from 'node:http2'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import tasks from '../../index.ts'
import dashboard from '../../lib/dashboard/index.ts'
import { buildApp, deaf, untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { startDashboard, watch } from './fixtures/dashboard.ts'

/** Milliseconds that an app takes to close. */
async function timeClose (app: FastifyInstance): Promise<number> {
  const began = performance.now()
  await app.close()
  return performance.now() - began
}

t.test('an app with open streams closes, and ends them', async t => {
  const { app, url } = await startDashboard(t)
  const streams = await Promise.all(Array.from({ length: 20 }, () => watch(t, `${url}/events`)))
  for (const stream of streams) await stream.list()
  const took = await timeClose(app)
  t.ok(took < 30_000, `${took} ms`)
  for (const stream of streams) t.equal(await stream.frame(), undefined)
})

t.test('close does not wait for a client that does not read', async t => {
  const { app, url } = await startDashboard(t, { interval: 5 })
  for (let i = 0; i < 200; i++) app.addTask(untilAborted, { name: `${i}` }).progress = 'x'.repeat(2000)
  const [slow] = await once(get(`${url}/events?limit=200`, { agent: false }), 'response')
  slow.on('error', () => {})
  const quick = await watch(t, `${url}/events?limit=1`)
  await quick.list()
  for (let i = 0; i < 50; i++) {
    app.addTask(untilAborted, { name: `more ${i}` })
    await quick.list()
  }
  const took = await timeClose(app)
  t.ok(took < 30_000, `${took} ms`)
})

t.test('streams end on close, even if a task does not stop', async t => {
  const { app, url } = await startDashboard(t, {}, { cancelTimeout: 300 })
  app.addTask(deaf)
  const stream = await watch(t, `${url}/events`)
  await stream.list()
  const closed = app.close()
  t.equal(await stream.frame(), undefined)
  await closed
})

t.test('the connection of a stream ends with it', async t => {
  const { url } = await startDashboard(t)
  const stream = await watch(t, `${url}/events`)
  t.equal(stream.response.headers.get('connection'), 'close')
})

t.test('a stream that begins as the app closes ends with its first frame', async t => {
  const asked = withResolvers()
  const answer = withResolvers<boolean>()
  const { app } = await buildApp(t, { cancelTimeout: 300 })
  await app.register(dashboard, {
    prefix: '/tasks',
    onRequest: false,
    authorize (request, action) {
      if (action !== 'view') return true
      asked.resolve()
      return answer.promise
    }
  })
  // After the hook of the dashboard, and before a list that waits for the answer could be sent without it.
  await app.register(async app => { app.addHook('preClose', async () => answer.resolve(true)) })
  app.addTask(deaf, { name: 'one' })
  const stream = watch(t, `${await app.listen({ host: '127.0.0.1', port: 0 })}/tasks/events`)
  await asked.promise
  const closed = app.close()
  t.equal((await (await stream).list()).tasks[0]!.name, 'one')
  t.equal(await (await stream).frame(), undefined)
  await closed
})

t.test('an app with open HTTP/2 streams closes, too', async t => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(tasks)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false, interval: 20 })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(address)
  t.teardown(() => session.close())
  const stream = session.request({ ':path': '/admin/tasks/events' }).setEncoding('utf8')
  const [headers] = await once(stream, 'response')
  t.equal(headers[':status'], 200)
  t.match((await once(stream, 'data'))[0], /^retry: 1000\nevent: tasks\n/)
  app.addTask(untilAborted, { name: 'two' })
  t.match((await once(stream, 'data'))[0], /"name":"two"/)
  const ended = once(stream, 'end')
  const took = await timeClose(app as unknown as FastifyInstance)
  t.ok(took < 30_000, `${took} ms`)
  await ended
})

t.test('an app with HTTP/2 streams that nobody reads closes, too', async t => {
  const app = Fastify({ http2: true })
  t.teardown(() => app.close())
  await app.register(tasks)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false, interval: 5 })
  for (let i = 0; i < 200; i++) app.addTask(untilAborted, { name: `${i}` }).progress = 'x'.repeat(2000)
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const session = connect(address)
  session.on('error', () => {})
  const stream = session.request({ ':path': '/admin/tasks/events?limit=200' })
  stream.on('error', () => {})
  await once(stream, 'response')
  const took = await timeClose(app as unknown as FastifyInstance)
  t.ok(took < 30_000, `${took} ms`)
})
