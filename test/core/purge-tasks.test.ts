import t from 'tap'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const names = (tasks: Iterable<{ name: string | undefined }>) => Array.from(tasks, ({ name }) => name)

t.test('purgeTasks drops every settled task and says how many', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  t.equal(app.purgeTasks(), 0, 'none without tasks')
  app.addTask(() => {}, { name: 'completed' })
  app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()
  t.equal(app.purgeTasks(), 3)
  t.equal(app.tasks.size, 0)
  for (const name of ['completed', 'failed', 'cancelled']) {
    t.throws(() => app.getTask(name), { code: 'FST_ERR_TASK_NOT_FOUND' })
  }
  t.equal(app.purgeTasks(), 0, 'none the second time')
})

t.test('purgeTasks keeps tasks that have not settled', async t => {
  const { app } = await buildApp(t)
  const deferred = app.addTask(untilAborted, { name: 'deferred' })
  t.equal(app.purgeTasks(), 0)
  t.equal(deferred.status, 'deferred')
  await app.ready()
  const work = withResolvers()
  app.addTask(() => work.promise, { name: 'cancelling' })
  const cancelled = app.cancelTask('cancelling')
  app.addTask(untilAborted, { name: 'running' })
  app.addTask(untilAborted)
  app.addTask(() => {}, { name: 'settled' })
  t.equal(app.purgeTasks(), 1)
  t.same(names(app.tasks), ['deferred', 'cancelling', 'running', undefined])
  t.equal(app.getTask('running').status, 'running')
  work.resolve()
  await cancelled
  t.equal(app.purgeTasks(), 1)
  t.same(names(app.tasks), ['deferred', 'running', undefined])
})

t.test('purgeTasks does not count unnamed tasks, which are gone already', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {})
  app.addTask(() => {}, { name: 'named' })
  t.equal(app.purgeTasks(), 1)
})

t.test('a purged task keeps its result', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => 'done', { name: 'report' })
  app.purgeTasks()
  t.equal(task.status, 'completed')
  t.equal(task.result, 'done')
  t.equal(await task.finished, 'done')
  await t.resolves(task.cancel())
})

t.test('the name of a purged task is free', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {}, { name: 'report' })
  app.purgeTasks()
  const task = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.getTask('report'), task)
  t.equal(app.purgeTasks(), 0)
  t.equal(app.getTask('report'), task)
})

t.test('purgeTasks works after the app has closed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  await app.close()
  t.equal(app.getTask('report'), task)
  t.equal(app.purgeTasks(), 1)
  t.equal(app.tasks.size, 0)
})

t.test('a thousand settled tasks are kept by default', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const running = app.addTask(untilAborted, { name: 'running' })
  for (let i = 0; i < 1000; i++) app.addTask(() => {}, { name: `task ${i}` })
  t.equal(app.tasks.size, 1001)
  app.addTask(() => {}, { name: 'one more' })
  t.equal(app.tasks.size, 1001)
  t.equal(app.getTask('task 0', { optional: true }), undefined)
  t.equal(app.getTask('task 1').status, 'completed')
  t.equal(app.getTask('one more').status, 'completed')
  t.equal(running.status, 'running', 'running ones do not count')
  t.equal(app.purgeTasks(), 1000)
})

t.test('maxSettled: 2 keeps the two that settled last', async t => {
  const { app } = await buildApp(t, { maxSettled: 2 })
  await app.ready()
  for (const name of ['a', 'b', 'c', 'd']) app.addTask(() => {}, { name })
  t.same(names(app.tasks), ['c', 'd'])
  t.throws(() => app.getTask('b'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(app.purgeTasks(), 2)
})

t.test('the task that settled first is purged first, not the task that was added first', async t => {
  const { app } = await buildApp(t, { maxSettled: 2 })
  await app.ready()
  const works = Object.fromEntries(['a', 'b', 'c', 'd'].map(name => [name, withResolvers()]))
  const tasks = Object.entries(works).map(([name, work]) => app.addTask(() => work.promise, { name }))
  for (const name of ['c', 'a', 'd']) {
    works[name]!.resolve()
    await app.getTask(name).finished
  }
  t.same(names(app.tasks), ['a', 'b', 'd'])
  t.equal(tasks[2]?.status, 'completed')
  works['b']!.resolve()
  await app.getTask('b').finished
  t.same(names(app.tasks), ['b', 'd'])
})

t.test('failed and cancelled tasks count for maxSettled, too', async t => {
  const { app } = await buildApp(t, { maxSettled: 1 })
  await app.ready()
  app.addTask(() => {}, { name: 'completed' })
  app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  t.same(names(app.tasks), ['failed'])
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()
  t.same(names(app.tasks), ['cancelled'])
})

t.test('a settled task whose name is taken again no longer counts for maxSettled', async t => {
  const { app } = await buildApp(t, { maxSettled: 2 })
  await app.ready()
  for (const name of ['a', 'b', 'a']) app.addTask(() => {}, { name })
  t.same(names(app.tasks), ['b', 'a'])
  app.addTask(() => {}, { name: 'c' })
  t.same(names(app.tasks), ['a', 'c'])
})

t.test('maxSettled: 0 keeps none', async t => {
  const { app } = await buildApp(t, { maxSettled: 0 })
  await app.ready()
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise, { name: 'report' })
  t.equal(app.getTask('report'), task, 'a running one is found')
  work.resolve('done')
  t.equal(await task.finished, 'done')
  t.equal(app.tasks.size, 0)
  t.throws(() => app.getTask('report'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(app.purgeTasks(), 0)
})

t.test('maxSettled: Infinity keeps all', async t => {
  const { app } = await buildApp(t, { maxSettled: Infinity })
  await app.ready()
  for (let i = 0; i < 3000; i++) app.addTask(() => {}, { name: `task ${i}` })
  t.equal(app.tasks.size, 3000)
  t.equal(app.getTask('task 0').status, 'completed')
  t.equal(app.purgeTasks(), 3000)
})

t.test('purgeTasks(which) drops the settled tasks for which it returns true, and says how many', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const name of ['a', 'b', 'c', 'd']) app.addTask(() => name, { name, kind: name < 'c' ? 'early' : 'late' })
  app.addTask(untilAborted, { name: 'e', kind: 'early' })
  t.equal(app.purgeTasks(task => task.kind === 'early'), 2)
  t.same(names(app.tasks), ['c', 'd', 'e'])
  t.throws(() => app.getTask('a'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(app.purgeTasks(({ result }) => result === 'd'), 1)
  t.equal(app.purgeTasks(() => false), 0)
  t.same(names(app.tasks), ['c', 'e'])
})

t.test('which is called once for each settled task, with the task alone', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const settled = ['a', 'b'].map(name => app.addTask(() => {}, { name }))
  app.addTask(untilAborted, { name: 'running' })
  app.addTask(untilAborted)
  const calls: unknown[][] = []
  t.equal(app.purgeTasks((...args) => Boolean(calls.push(args))), 2)
  t.strictSame(calls, settled.map(task => [task]))
})

t.test('which may return any truthy value', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const name of ['a', 'b']) app.addTask(() => {}, { name })
  t.equal(app.purgeTasks(({ name }) => (name === 'a' ? 1 : '') as unknown as boolean), 1)
  t.same(names(app.tasks), ['b'])
})

t.test('purgeTasks throws what which throws, and purges nothing', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const name of ['a', 'b']) app.addTask(() => {}, { name })
  t.throws(() => app.purgeTasks(({ name }) => {
    if (name === 'b') throw new Error('no')
    return true
  }), { message: 'no' })
  t.same(names(app.tasks), ['a', 'b'])
  t.equal(app.purgeTasks(), 2)
})

t.test('if which purges, each task is counted once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const name of ['a', 'b', 'c']) app.addTask(() => {}, { name })
  let inner = 0
  const outer = app.purgeTasks(() => {
    inner += app.purgeTasks(({ name }) => name === 'b')
    return true
  })
  t.strictSame([inner, outer], [1, 2])
  t.equal(app.tasks.size, 0)
})

t.test('if which cancels or adds tasks, those that settle meanwhile are kept and not counted', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const name of ['a', 'b']) app.addTask(() => {}, { name })
  const running = app.addTask(new Promise(() => {}), { name: 'running' })
  t.equal(app.purgeTasks(({ name }) => {
    running.cancel()
    app.addTask(() => {}, { name: `after ${name}` })
    return true
  }), 2)
  t.same(names(app.tasks), ['running', 'after a', 'after b'])
})

t.test('which may replace the task it is asked about', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const first = app.addTask(() => {}, { name: 'a' })
  t.equal(app.purgeTasks(({ name }) => {
    app.addTask(untilAborted, { name })
    return true
  }), 0)
  t.not(app.getTask('a'), first)
  t.equal(app.getTask('a').status, 'running')
})

t.test('a which that is no function is refused', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {}, { name: 'a' })
  for (const which of [null, 5, 'a', {}, true, /a/]) {
    t.throws(() => app.purgeTasks(which as never), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /"which" of purgeTasks must be a function, received/ })
  }
  t.equal(app.tasks.size, 1)
  t.equal(app.purgeTasks(undefined), 1)
})
