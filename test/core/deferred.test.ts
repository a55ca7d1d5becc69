import Fastify from 'fastify'
import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import tasks, { type Task } from '../../index.ts'
import { buildApp, deaf } from './fixtures/app.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('a callable that is added before the app is ready starts when it is', async t => {
  const { app } = await buildApp(t)
  let ran = false
  const task = app.addTask(() => { ran = true })
  await setImmediate()
  t.equal(ran, false)
  t.equal(task.status, 'deferred')
  t.equal(task.startedAt, undefined)
  await app.ready()
  t.equal(ran, true)
  t.equal(task.status, 'completed')
})

t.test('deferred tasks start in the order added, wherever they were added', async t => {
  const { app } = await buildApp(t)
  const order: string[] = []
  app.addTask(() => { order.push('first') })
  app.register(async child => {
    child.addTask(async () => { order.push('in a child') })
  })
  app.addTask(() => { order.push('second') })
  await app.after()
  app.addTask(async () => { order.push('after the child') })
  await app.ready()
  t.same(order, ['first', 'second', 'in a child', 'after the child'])
})

t.test('ready does not wait for deferred tasks to end', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise)
  await app.ready()
  t.equal(task.status, 'running')
  work.resolve('in its own time')
  t.equal(await task.finished, 'in its own time')
})

t.test('though a deferred task throws, the others start and the app becomes ready', async t => {
  const { app } = await buildApp(t)
  const before = app.addTask(() => 'before')
  const throws = app.addTask(() => { throw new Error('boom') })
  const rejects = app.addTask(async () => { throw new Error('boom') })
  const after = app.addTask(() => 'after')
  await t.resolves(async () => app.ready())
  t.equal(before.result, 'before')
  t.equal(throws.status, 'failed')
  await t.rejects(rejects.finished, { message: 'boom' })
  t.equal(after.result, 'after')
})

t.test('a deferred task may add another, which starts at once', async t => {
  const { app } = await buildApp(t)
  let inner: Task<string> | undefined
  app.addTask(app => { inner = app.addTask(() => 'inner') })
  await app.ready()
  t.equal(inner?.result, 'inner')
})

t.test('a deferred task runs in the async context of its addTask call', async t => {
  const { app } = await buildApp(t)
  const storage = new AsyncLocalStorage<string>()
  const read = async () => {
    const store = storage.getStore()
    await setImmediate()
    return [store, storage.getStore()]
  }
  const inFirst = storage.run('first', () => app.addTask(read))
  const inSecond = storage.run('second', () => app.addTask(read))
  const inNone = app.addTask(read)
  await storage.run('that of ready', () => app.ready())
  t.same(await inFirst.finished, ['first', 'first'])
  t.same(await inSecond.finished, ['second', 'second'])
  t.same(await inNone.finished, [undefined, undefined])
})

t.test('a deferred task that is cancelled never runs', async t => {
  const { app } = await buildApp(t)
  let ran = false
  const task = app.addTask(() => { ran = true }, { name: 'early' })
  const reason = new Error('not needed')
  await app.cancelTask('early', { reason })
  t.equal(task.status, 'cancelled', 'settled without waiting for ready')
  t.equal(task.error, reason)
  t.equal(task.startedAt, undefined)
  await app.ready()
  await setImmediate()
  t.equal(ran, false)
  await t.rejects(task.finished, reason)
})

t.test('deferred tasks of an app that closes before it is ready never run', async t => {
  const { app, lines } = await buildApp(t)
  let ran = false
  const task = app.addTask(() => { ran = true }, { name: 'early' })
  const draining = app.addTask(() => { ran = true }, { drain: true })
  await app.close()
  t.equal(ran, false)
  t.equal(task.status, 'cancelled')
  t.equal(draining.status, 'cancelled', 'drain or not')
  t.same(lines.filter(({ level }) => level >= 40), [], 'which is nothing to warn of')
})

t.test('deferred tasks of an app that is closed while it becomes ready never run', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const closing = withResolvers()
  app.addHook('onReady', () => closing.promise)
  await app.register(tasks)
  let ran = false
  const task = app.addTask(() => { ran = true })
  const ready = app.ready()
  const closed = app.close()
  await t.rejects(task.finished, { name: 'AbortError' })
  closing.resolve()
  await Promise.allSettled([ready, closed])
  t.equal(ran, false)
  t.equal(task.status, 'cancelled')
})

t.test('deferred tasks never run when a plugin fails to load', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 5 })
  let ran = false
  const task = app.addTask(() => { ran = true })
  const promise = app.addTask(deaf())
  app.register(async () => { throw new Error('no database') })
  await t.rejects(async () => app.ready(), { message: 'no database' })
  await setImmediate()
  t.equal(ran, false)
  await t.resolves(app.close())
  t.equal(ran, false)
  t.equal(task.status, 'cancelled')
  t.equal(promise.status, 'cancelled')
})

t.test('deferred tasks have started when a later onReady hook fails', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(() => 'done')
  app.addHook('onReady', async () => { throw new Error('not ready after all') })
  await t.rejects(async () => app.ready(), { message: 'not ready after all' })
  t.equal(task.result, 'done')
})
