import t from 'tap'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const full = { code: 'FST_ERR_TASK_LIMIT', statusCode: 503 }

t.test('one task more than maxTasks is refused, and its work does not run', async t => {
  const { app } = await buildApp(t, { maxTasks: 2 })
  await app.ready()
  app.addTask(untilAborted)
  app.addTask(untilAborted, { name: 'second' })
  let ran = false
  t.throws(() => app.addTask(() => { ran = true }), full)
  t.throws(() => app.addTask(() => { ran = true }, { name: 'third' }), { ...full, message: /task "third".* 2 / })
  t.equal(ran, false)
  t.equal(app.tasks.size, 2)
  t.equal(app.getTask('third', { optional: true }), undefined)
})

t.test('by default the number of tasks has no limit', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (let i = 0; i < 5000; i++) app.addTask(untilAborted)
  t.equal(app.tasks.size, 5000)
})

t.test('maxTasks: 0 refuses every task', async t => {
  const { app } = await buildApp(t, { maxTasks: 0 })
  t.throws(() => app.addTask(() => {}), full)
  t.throws(() => app.addTask(Promise.resolve()), full)
})

t.test('deferred tasks count', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  app.addTask(() => {})
  t.throws(() => app.addTask(() => {}), full)
  await app.ready()
  t.doesNotThrow(() => app.addTask(() => {}))
})

t.test('promises count', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  app.addTask(deaf())
  t.throws(() => app.addTask(deaf()), full)
})

t.test('unregistered tasks count', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  app.addTask(untilAborted, { register: false })
  t.throws(() => app.addTask(untilAborted, { register: false }), full)
})

t.test('tasks of encapsulated children count', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  app.register(async child => { child.addTask(untilAborted) })
  await app.ready()
  t.throws(() => app.addTask(untilAborted), full)
})

t.test('cancelling tasks count until they have settled', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  const unwound = withResolvers()
  const cancelled = app.addTask(() => unwound.promise).cancel()
  t.throws(() => app.addTask(() => {}), full)
  unwound.resolve()
  await cancelled
  t.doesNotThrow(() => app.addTask(() => {}))
})

t.test('a replaced task counts until its work has ended', async t => {
  const { app } = await buildApp(t, { maxTasks: 2 })
  await app.ready()
  const unwound = withResolvers()
  const replaced = app.addTask(() => unwound.promise, { name: 'report' })
  app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(app.tasks.size, 1)
  t.throws(() => app.addTask(() => {}), full)
  unwound.resolve()
  await replaced.finished
  t.doesNotThrow(() => app.addTask(() => {}))
})

t.test('a replace that is refused does not affect the existing task', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  let ran = false
  t.throws(() => app.addTask(() => { ran = true }, { name: 'report', onDuplicate: 'replace' }), full)
  t.equal(ran, false)
  t.equal(holder.status, 'running')
  t.equal(holder.signal.aborted, false)
  t.equal(app.getTask('report'), holder)
})

t.test('keep returns the existing task even when the app is full', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.addTask(untilAborted, { name: 'report', onDuplicate: 'keep' }), holder)
})

t.test('a taken name is refused as a duplicate, even when the app is full', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  app.addTask(untilAborted, { name: 'report' })
  t.throws(() => app.addTask(untilAborted, { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
})

t.test('settled tasks do not count, purged or not', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  app.addTask(() => {}, { name: 'completed' })
  app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()
  t.equal(app.tasks.size, 3)
  t.doesNotThrow(() => app.addTask(untilAborted))
  t.throws(() => app.addTask(untilAborted), full)
})

t.test('work cannot take the place of its own task until that has settled', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  let code
  const task = app.addTask(app => {
    try {
      app.addTask(() => {})
    } catch (error) {
      code = (error as NodeJS.ErrnoException).code
    }
  })
  t.equal(task.status, 'completed')
  t.equal(code, 'FST_ERR_TASK_LIMIT')
  t.doesNotThrow(() => app.addTask(() => {}))
})

t.test('two apps have limits of their own', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  const { app: other } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  await other.ready()
  app.addTask(untilAborted)
  t.doesNotThrow(() => other.addTask(untilAborted))
})
