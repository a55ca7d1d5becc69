import t from 'tap'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { isPending } from './fixtures/is-pending.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('an unregistered task runs, and is neither in tasks nor found by its name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'hidden', register: false })
  t.equal(task.status, 'running')
  t.equal(task.name, 'hidden')
  t.equal(app.tasks.size, 0)
  t.same([...app.tasks], [])
  t.throws(() => app.getTask('hidden'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(app.getTask('hidden', { optional: true }), undefined)
  await t.rejects(app.cancelTask('hidden'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(task.status, 'running')
})

t.test('an unregistered task is not purged, and not kept once it has settled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => 'done', { name: 'hidden', register: false })
  t.equal(task.result, 'done')
  t.equal(app.tasks.size, 0)
  t.equal(app.purgeTasks(), 0)
})

t.test('an unregistered task can be cancelled by its own method', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { register: false })
  await task.cancel()
  t.equal(task.status, 'cancelled')
})

t.test('an unregistered task is deferred like any other', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(() => 'done', { register: false })
  t.equal(task.status, 'deferred')
  t.equal(app.tasks.size, 0)
  await app.ready()
  t.equal(task.result, 'done')
})

t.test('an unregistered promise is tracked', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(work.promise, { register: false })
  t.equal(task.status, 'running')
  t.equal(app.tasks.size, 0)
  work.resolve('done')
  t.equal(await task.finished, 'done')
  t.equal(app.tasks.size, 0)
})

t.test('idle waits for an unregistered task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  app.addTask(() => work.promise, { register: false })
  const idle = app.tasks.idle()
  t.equal(await isPending(idle), true)
  work.resolve()
  await t.resolves(idle)
})

t.test('an unregistered task counts for maxTasks', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  const task = app.addTask(untilAborted, { register: false })
  t.throws(() => app.addTask(() => {}), { code: 'FST_ERR_TASK_LIMIT' })
  t.throws(() => app.addTask(() => {}, { register: false }), { code: 'FST_ERR_TASK_LIMIT' })
  await task.cancel()
  t.doesNotThrow(() => app.addTask(() => {}, { register: false }))
})

t.test('closing the app cancels an unregistered task and waits for it', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  let unwound = false
  const task = app.addTask(async (app, task) => {
    try {
      await untilAborted(app, task)
    } finally {
      await new Promise(setImmediate)
      unwound = true
    }
  }, { register: false })
  await app.close()
  t.equal(unwound, true)
  t.equal(task.status, 'cancelled')
})

t.test('closing the app names an unregistered task that does not stop', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 5 })
  await app.ready()
  app.addTask(deaf, { name: 'hidden', register: false })
  await app.close()
  const warnings = lines.filter(({ level }) => level === 40)
  t.equal(warnings.length, 1)
  t.match(JSON.stringify(warnings), /hidden/)
})

t.test('a failed unregistered task is logged', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  app.addTask(() => { throw new Error('boom') }, { name: 'hidden', register: false })
  t.match(lines.filter(({ level }) => level === 50), [{ msg: 'task failed', task: 'hidden', err: { message: 'boom' } }])
})

t.test('register: true is the default', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report', register: true })
  t.equal(app.getTask('report'), task)
  t.equal(app.tasks.size, 1)
})
