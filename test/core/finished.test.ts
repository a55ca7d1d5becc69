import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { isPending } from './fixtures/is-pending.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

t.test('finished resolves with the result', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const result = { rows: 5 }
  t.equal(await app.addTask(() => result).finished, result)
  t.equal(await app.addTask(async () => result).finished, result)
  t.equal(await app.addTask(Promise.resolve(result)).finished, result)
  t.equal(await app.addTask(() => {}).finished, undefined)
})

t.test('finished is a real promise, the same each time', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async () => 'done')
  t.ok(task.finished instanceof Promise)
  t.equal(task.finished, task.finished)
  const { finished } = task
  await finished
  t.equal(task.finished, finished)
})

t.test('finished is pending until the task settles', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise)
  t.equal(await isPending(task.finished), true, 'deferred')
  await app.ready()
  t.equal(await isPending(task.finished), true, 'running')
  task.cancel()
  t.equal(await isPending(task.finished), true, 'cancelling')
  work.resolve('done')
  t.equal(await task.finished, 'done')
})

t.test('finished of a failed task rejects with its error', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const error = new Error('boom')
  for (const task of [
    app.addTask(() => { throw error }),
    app.addTask(async () => { throw error }),
    app.addTask(Promise.reject(error))
  ]) {
    t.equal(await task.finished.catch((error: unknown) => error), error)
    t.equal(task.error, error)
  }
})

t.test('finished of a cancelled task rejects with the reason', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const reason = new Error('not needed')
  const running = app.addTask(untilAborted)
  const promise = app.addTask(deaf())
  const wrapped = app.addTask(async (app, task) => {
    try {
      await untilAborted(app, task)
    } catch (cause) {
      throw new Error('query failed', { cause })
    }
  })
  for (const task of [running, promise, wrapped]) {
    const early = task.finished.catch((error: unknown) => error)
    await task.cancel({ reason })
    t.equal(await early, reason)
    t.equal(await task.finished.catch((error: unknown) => error), reason)
  }
})

t.test('finished of a deferred task that is cancelled rejects with the reason', async t => {
  const { app } = await buildApp(t)
  const reason = new Error('not needed')
  const task = app.addTask(() => 'never')
  const early = task.finished.catch((error: unknown) => error)
  task.cancel({ reason })
  t.equal(await early, reason)
})

t.test('finished rejects with an AbortError if the reason is a text, or missing', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const told = app.addTask(untilAborted)
  await told.cancel({ reason: 'not needed' })
  await t.rejects(told.finished, { name: 'AbortError', message: 'not needed' })
  const untold = app.addTask(untilAborted, { name: 'report' })
  await untold.cancel()
  await t.rejects(untold.finished, { name: 'AbortError', message: /report/ })
})

t.test('finished of a task that swallows its cancellation resolves', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask((app, task) => untilAborted(app, task).catch(() => 'saved what there was'))
  await task.cancel()
  t.equal(await task.finished, 'saved what there was')
})

t.test('finished of a task whose clean-up fails rejects with the error of the clean-up', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const error = new Error('cannot unlock')
  const task = app.addTask((app, task) => untilAborted(app, task).catch(() => { throw error }))
  await task.cancel()
  t.equal(await task.finished.catch((error: unknown) => error), error)
})

t.test('finished rejects with the timeout of a task that timed out', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { timeout: 5 })
  await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT', statusCode: 504 })
})

t.test('finished of a task whose app closes rejects', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const finished = app.addTask(untilAborted).finished
  await app.close()
  await t.rejects(finished, { name: 'AbortError' })
})

t.test('finished can be read long after the task has settled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const error = new Error('boom')
  const completed = app.addTask(() => 'done', { name: 'completed' })
  const failed = app.addTask(() => { throw error }, { name: 'failed' })
  await setImmediate()
  app.purgeTasks()
  await app.close()
  t.equal(await completed.finished, 'done')
  t.equal(await failed.finished.catch((error: unknown) => error), error)
  t.equal(await failed.finished.catch((error: unknown) => error), error, 'and again')
})

t.test('finished settles for all that await it', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise)
  const lookers = [task.finished, task.finished.then(result => result), (async () => task.finished)()]
  work.resolve('done')
  t.same(await Promise.all(lookers), ['done', 'done', 'done'])
})

t.test('the task has settled when finished settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise, { name: 'report' })
  const seen = task.finished.then(result => [result, task.status, task.result, app.purgeTasks()])
  work.resolve('done')
  t.same(await seen, ['done', 'completed', 'done', 1])
})

t.test('work that waits for itself never ends, and work that waits for another does', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const first = app.addTask(() => setImmediate('first'))
  const second = app.addTask(async () => `${await first.finished}, second`)
  t.equal(await second.finished, 'first, second')
})
