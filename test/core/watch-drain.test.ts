// What a watcher of a draining task is told while the app closes.
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { TaskState, TaskWatch } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { isPending } from './fixtures/is-pending.ts'
import { stopClock } from './fixtures/stop-clock.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

/** The statuses that are left to read. */
async function statusesOf (watch: TaskWatch): Promise<string[]> {
  const statuses = []
  for await (const { status } of watch) statuses.push(status)
  return statuses
}

/** The states of the task `name`, one a line, that a client of a listening app gets. */
async function streamStates (app: FastifyInstance, name: string): Promise<IncomingMessage> {
  const [response] = await once(get(`${app.listeningOrigin}/tasks/${name}`, { agent: false }), 'response')
  return response
}

function serveStates (app: FastifyInstance) {
  app.get<{ Params: { name: string } }>('/tasks/:name', async (request, reply) => {
    async function * lines () {
      for await (const { status, progress } of app.getTask(request.params.name).watch()) yield JSON.stringify({ status, progress }) + '\n'
    }
    return reply.type('application/x-ndjson').header('connection', 'close').send(Readable.from(lines()))
  })
}

const parse = (lines: string) => lines.trimEnd().split('\n').map(line => JSON.parse(line) as TaskState)

t.test('a watcher of a draining task learns how it ended', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const gate = withResolvers<string>()
  const task = app.addTask(() => gate.promise, { name: 'import', drain: true })
  const [waiting, unread] = [task.watch(), task.watch()]
  await waiting.next()
  await unread.next()
  const next = waiting.next()

  const closing = app.close()
  t.equal(await isPending(next), true, 'it goes on')
  task.progress = 'half'
  t.match(await next, { value: { status: 'running', progress: 'half' } })
  gate.resolve('done')
  await closing

  t.strictSame(await statusesOf(waiting), ['completed'])
  t.strictSame(await statusesOf(unread), ['completed'])
})

t.test('a client that streams the states of a draining task gets the last one, and close goes on', async t => {
  const { app } = await buildApp(t)
  const gate = withResolvers()
  serveStates(app)
  await app.listen()
  const task = app.addTask(() => gate.promise, { name: 'import', drain: true })
  app.addTask(untilAborted, { name: 'plain' })
  const [imported, plain] = [await streamStates(app, 'import'), await streamStates(app, 'plain')]
  const lines = text(imported)
  app.server.once('close', () => t.equal(task.status, 'completed'))

  const closed = app.close()
  t.match(parse(await text(plain)), [{ status: 'running' }], 'that of another task ends at once')
  t.equal(await isPending(lines), true)
  gate.resolve()

  t.match(parse(await lines), [{ status: 'running' }, { status: 'completed' }])
  await closed
})

t.test('the watch of a draining task ends after drainTimeout', async t => {
  const { app, lines } = await buildApp(t, { drainTimeout: 500, cancelTimeout: 0 })
  serveStates(app)
  await app.listen()
  app.addTask(deaf, { name: 'deaf', drain: true })
  const body = text(await streamStates(app, 'deaf'))
  let serverClosedAt = Infinity
  app.server.once('close', () => { serverClosedAt = performance.now() })

  const startedAt = performance.now()
  await app.close()

  t.match(parse(await body), [{ status: 'running' }])
  t.ok(serverClosedAt - startedAt >= 490, 'the stream lasted for drainTimeout')
  t.match(lines.filter(({ level }) => level === 40), [{ tasks: ['deaf'], msg: /^draining tasks have not finished within 500 ms/ }, { tasks: ['deaf'] }])
})

t.test('the time for which a draining task was watched is part of its drainTimeout', async t => {
  const HOUR = 3_600_000
  const clock = stopClock(t)
  const { app, lines } = await buildApp(t, { drainTimeout: HOUR, cancelTimeout: 0 })
  serveStates(app)
  app.addHook('preClose', async () => { // is called after that of the plugin
    clock.time += HOUR
    app.server.closeAllConnections()
  })
  await app.listen()
  app.addTask(deaf, { name: 'deaf', drain: true })
  await streamStates(app, 'deaf')
  await app.close()
  t.match(lines.filter(({ level }) => level === 40), [{ tasks: ['deaf'], msg: /^draining tasks have not finished/ }, { tasks: ['deaf'] }])
})

t.test('the watch of a draining task has ended when close resolves, even if the task has not', async t => {
  const { app } = await buildApp(t, { drainTimeout: Infinity, cancelTimeout: 0 })
  await app.ready()
  const watched = app.addTask(untilAborted, { drain: true })
  const watch = watched.watch()
  await watch.next()
  const closing = app.close()
  t.equal(await isPending(watch.next()), true)
  watched.cancel()
  await closing
  t.strictSame(await statusesOf(watch), ['cancelled'])

  const { app: other } = await buildApp(t, { drainTimeout: 50, cancelTimeout: 0 })
  await other.ready()
  const states = other.addTask(deaf, { drain: true }).watch()
  await states.next()
  await other.close()
  t.strictSame(await states.next(), { done: true, value: undefined })
})

t.test('the watch of a draining task that will not run ends at once', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 0 })
  const deferred = app.addTask(untilAborted, { drain: true }).watch()
  await deferred.next()
  const closing = app.close()
  t.strictSame(await statusesOf(deferred), [])
  await closing
})

t.test('one log line names the tasks that close has cancelled', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 20, drainTimeout: 20 })
  await app.ready()
  app.addTask(untilAborted, { name: 'plain' })
  app.addTask(untilAborted, { name: 'slow', drain: true })
  app.addTask(untilAborted)
  app.addTask(async () => 'mail', { name: 'done' })
  app.addTask(deaf, { name: 'deaf' })
  app.addTask(async (app, { signal }) => { await untilAborted(app, { signal }).catch(() => {}) }, { name: 'swallowing' })
  app.addTask(deaf(), { name: 'cancelled before' }).cancel()

  await app.close()

  t.match(lines.filter(({ msg }) => msg === 'tasks were cancelled, because the app is closing'), [{ level: 30, tasks: ['plain', 'slow'] }])
})

t.test('a close that cancels no named task logs nothing', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  app.addTask(untilAborted)
  app.addTask(async () => {}, { name: 'done' })
  await app.close()
  t.strictSame(lines.filter(({ level, msg }) => level >= 30 && msg !== 'task failed'), [])
})
