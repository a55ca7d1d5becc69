import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { buildApp, deaf, untilAborted, type LogLine } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { isPending } from './fixtures/is-pending.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const warningsOf = (lines: LogLine[]) => lines.filter(line => line.level === 40)

t.beforeEach(holdProcess)

t.test('a draining task finishes before close resolves, and is not aborted', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 0, drainTimeout: 60_000 })
  await app.ready()
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise, { name: 'mail', drain: true })

  const closed = app.close()
  await sleep(20)
  t.equal(task.status, 'running')
  t.equal(task.signal.aborted, false)
  t.equal(await isPending(closed), true)

  work.resolve('delivered')
  await closed
  t.equal(task.status, 'completed')
  t.equal(task.result, 'delivered')
  t.equal(task.signal.aborted, false)
  t.strictSame(warningsOf(lines), [])
})

t.test('tasks that do not drain are cancelled at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const draining = app.addTask(() => work.promise, { drain: true })
  const plain = app.addTask(untilAborted)
  const refusing = app.addTask(untilAborted, { drain: false })

  const closed = app.close()
  await plain.finished.catch(() => {})
  await refusing.finished.catch(() => {})
  t.equal(plain.status, 'cancelled')
  t.equal(refusing.status, 'cancelled')
  t.equal(draining.status, 'running')

  work.resolve()
  await closed
  t.equal(draining.status, 'completed')
})

t.test('a draining task that takes longer than drainTimeout is cancelled', async t => {
  const { app, lines } = await buildApp(t, { drainTimeout: 30 })
  await app.ready()
  const task = app.addTask(untilAborted, { drain: true })

  const start = performance.now()
  await app.close()
  const duration = performance.now() - start

  t.equal(task.status, 'cancelled')
  t.match(task.error, { name: 'AbortError', message: /clos/ })
  t.ok(duration >= 25, `${duration} ms`)
  t.match(warningsOf(lines), [{ tasks: [task.id], msg: /^draining tasks have not finished within 30 ms/ }])
  t.equal(warningsOf(lines).length, 1)
})

t.test('a draining task that ignores its cancellation is named in a warning after cancelTimeout', async t => {
  const { app, lines } = await buildApp(t, { drainTimeout: 10, cancelTimeout: 10 })
  await app.ready()
  const task = app.addTask(deaf, { name: 'deaf', drain: true })
  app.addTask(untilAborted, { name: 'polite', drain: true })

  await app.close()

  t.equal(task.status, 'cancelling')
  t.match(warningsOf(lines), [{ tasks: ['deaf', 'polite'], msg: /^draining/ }, { tasks: ['deaf'], msg: /^tasks have not stopped/ }])
  t.equal(warningsOf(lines).length, 2)
})

t.test('a draining task that has not started is cancelled without running', async t => {
  const { app } = await buildApp(t, { drainTimeout: Infinity })
  let runs = 0
  const task = app.addTask(() => { runs++ }, { drain: true })

  await app.close()
  await immediate()

  t.equal(runs, 0)
  t.equal(task.status, 'cancelled')
  t.equal(task.startedAt, undefined)
})

t.test('close does not wait for the rest of drainTimeout once all have finished', async t => {
  const { app } = await buildApp(t, { drainTimeout: 60_000 })
  await app.ready()
  const task = app.addTask(() => sleep(10, 'done'), { drain: true })

  const start = performance.now()
  await app.close()
  const duration = performance.now() - start

  t.equal(task.result, 'done')
  t.ok(duration < 50_000, `${duration} ms`)
})

t.test('with a drainTimeout of 0 draining tasks are cancelled like all others', async t => {
  const { app } = await buildApp(t, { drainTimeout: 0 })
  await app.ready()
  const task = app.addTask(untilAborted, { drain: true })

  await app.close()

  t.equal(task.status, 'cancelled')
})

t.test('with a drainTimeout of Infinity close waits for as long as it takes', async t => {
  const { app } = await buildApp(t, { drainTimeout: Infinity, cancelTimeout: 0 })
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise, { drain: true })

  const closed = app.close()
  await sleep(30)
  t.equal(await isPending(closed), true)
  t.equal(task.status, 'running')
  work.resolve()
  await closed

  t.equal(task.status, 'completed')
})

t.test('close waits for a draining promise', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers<string>()
  const task = app.addTask(work.promise, { drain: true })

  const closed = app.close()
  await immediate()
  await immediate()
  t.equal(task.status, 'running')
  work.resolve('done')
  await closed

  t.equal(task.result, 'done')
})

t.test('an app that was never ready waits for a draining promise', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(work.promise, { drain: true })

  const closed = app.close()
  await immediate()
  t.equal(task.status, 'running')
  work.resolve('done')
  await closed

  t.equal(task.result, 'done')
})

t.test('close waits for draining tasks that are not in app.tasks', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise, { drain: true, register: false })

  const closed = app.close()
  await immediate()
  await immediate()
  t.equal(task.status, 'running')
  work.resolve()
  await closed

  t.equal(task.status, 'completed')
})

t.test('close resolves though a draining task fails, which is logged', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise, { name: 'mail', drain: true })

  const closed = app.close()
  work.reject(new Error('mail server is down'))
  t.equal(await closed, undefined)

  t.equal(task.status, 'failed')
  t.match(lines.filter(line => line.level === 50), [{ msg: 'task failed', task: 'mail', err: { message: 'mail server is down' } }])
})

t.test('a draining task can be cancelled by others while the app closes', async t => {
  const { app } = await buildApp(t, { drainTimeout: Infinity })
  await app.ready()
  const outer = new AbortController()
  const task = app.addTask(untilAborted, { drain: true })
  const follower = app.addTask(untilAborted, { drain: true, signal: outer.signal })
  const timed = app.addTask(untilAborted, { drain: true, timeout: 10 })

  const closed = app.close()
  await immediate()
  t.equal(task.status, 'running')
  await task.cancel({ reason: 'no use' })
  outer.abort('gone')
  await closed

  t.match(task, { status: 'cancelled', error: { message: 'no use' } })
  t.match(follower, { status: 'cancelled', error: 'gone' })
  t.match(timed, { status: 'failed', error: { code: 'FST_ERR_TASK_TIMEOUT' } })
})

t.test('a draining task cannot add tasks', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(async app => {
    await work.promise
    app.addTask(() => {})
  }, { drain: true })

  const closed = app.close()
  await immediate()
  work.resolve()
  await closed

  t.match(task, { status: 'failed', error: { code: 'FST_ERR_TASK_CLOSED' } })
})

t.test('a draining task added after the reply of a request in flight finishes', async t => {
  const { app } = await buildApp(t, { drainTimeout: 60_000 })
  const [received, replied, delivered] = [withResolvers(), withResolvers(), withResolvers<string>()]
  app.post('/signup', async (request, reply) => {
    app.addTask(() => delivered.promise, { name: 'mail', after: reply, drain: true })
    received.resolve()
    await replied.promise
    return 'welcome'
  })
  await app.listen()
  const { port } = app.server.address() as AddressInfo

  // On a connection that is kept alive server.close() would wait for keepAliveTimeout.
  const client = request({ port, path: '/signup', method: 'POST', agent: false }).end()
  const response = once(client, 'response').then(([response]) => text(response))
  await received.promise
  const closed = app.close()
  await immediate()
  replied.resolve()
  t.equal(await response, 'welcome')
  const task = app.getTask('mail')
  await sleep(20)
  t.equal(task.status, 'running')
  t.equal(await isPending(closed), true)

  delivered.resolve('delivered')
  await closed
  t.equal(task.result, 'delivered')
})
