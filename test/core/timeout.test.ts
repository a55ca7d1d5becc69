import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

t.test('work that takes longer than its timeout is aborted, and has failed when it has ended', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const cleanUp = withResolvers()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(() => cleanUp.promise)
  }, { name: 'slow', timeout: 5 })
  t.equal(task.status, 'running')

  await once(task.signal, 'abort')
  t.equal(task.status, 'cancelling')
  t.equal(task.error, undefined)
  t.equal(await isPending(task.finished), true)

  cleanUp.resolve()
  const error = await task.finished.catch(error => error)
  t.match(error, { code: 'FST_ERR_TASK_TIMEOUT', statusCode: 504 })
  t.match(error.message, '"slow"', 'the error names the task')
  t.match(error.message, '5 ms')
  t.equal(task.status, 'failed')
  t.equal(task.error, error)
  t.equal(task.signal.reason, error)
  t.match(task.toJSON(), { status: 'failed', error: { code: 'FST_ERR_TASK_TIMEOUT' } })
  t.match(lines.filter(line => line.level === 50), [{ msg: 'task failed', task: 'slow', err: { code: 'FST_ERR_TASK_TIMEOUT' } }])
})

t.test('the error of an unnamed task names its id', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {})
  const task = app.addTask(untilAborted, { timeout: 1 })

  await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT', message: /\b2\b/ })
  t.equal(task.id, 2)
})

t.test('a task that timed out fails with the timeout, even if its work ends with an AbortError or an error caused by one', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const ends: ((reason: unknown) => unknown)[] = [
    () => new DOMException('aborted', 'AbortError'),
    cause => new Error('query failed', { cause })
  ]
  for (const end of ends) {
    const task = app.addTask(async (app, task) => {
      await untilAborted(app, task).catch(reason => { throw end(reason) })
    }, { timeout: 1 })
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.equal(task.status, 'failed')
    t.equal(task.error, task.signal.reason)
  }
})

t.test('work that swallows its timeout and returns has completed', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => {})
    return 'half a report'
  }, { timeout: 1 })

  t.equal(await task.finished, 'half a report')

  t.equal(task.status, 'completed')
  t.equal(task.error, undefined)
  t.match(task.signal.reason, { code: 'FST_ERR_TASK_TIMEOUT' })
  t.notOk(lines.some(line => line.level >= 40))
})

t.test('a task fails with the error of its clean-up, not with its timeout', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => { throw new Error('disk full') })
  }, { timeout: 1 })

  await t.rejects(task.finished, { message: 'disk full' })

  t.equal(task.status, 'failed')
  t.match(task.error, { message: 'disk full' })
})

t.test('work that ignores its timeout stays cancelling', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise, { timeout: 1 })

  await once(task.signal, 'abort')
  await immediate()
  t.equal(task.status, 'cancelling')
  await t.rejects(task.cancel({ timeout: 1 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })

  work.reject(task.signal.reason)
  await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
  t.equal(task.status, 'failed')
})

t.test('a promise that takes longer than its timeout fails at once, however it ends', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')
  for (const end of ['resolve', 'reject'] as const) {
    const work = withResolvers<unknown>()
    const task = app.addTask(work.promise, { timeout: 1 })
    const statuses: string[] = []
    task.signal.addEventListener('abort', () => statuses.push(task.status))

    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.equal(task.status, 'failed')
    t.strictSame(statuses, ['failed'], 'its signal is aborted all the same')

    work[end](new Error('late'))
    await immediate()
    t.equal(task.status, 'failed')
    t.match(task.error, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.equal(task.signal.reason, task.error)
  }
  t.strictSame(rejections, [])
  t.equal(lines.filter(line => line.level === 50).length, 2)
})

t.test('the timeout of a promise counts from addTask, even before the app is ready', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(deaf(), { timeout: 1 })

  await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })

  t.equal(task.status, 'failed')
})

t.test('the timeout counts from the start, not from addTask', async t => {
  const { app } = await buildApp(t)
  const { promise: replied, resolve: reply } = withResolvers()
  app.get('/', async (request, reply) => {
    app.addTask(untilAborted, { name: 'after', after: reply, timeout: 20 })
    await replied
    return 'sent'
  })
  const deferred = app.addTask(untilAborted, { name: 'deferred', timeout: 20 })
  await sleep(30)
  t.equal(deferred.status, 'deferred')

  await app.ready()
  t.type(deferred.startedAt, 'number')
  const response = app.inject('/')
  await t.rejects(deferred.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
  await sleep(10)
  const after = app.getTask('after')
  t.equal(after.status, 'deferred')

  reply()
  await response
  await t.rejects(after.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
  for (const task of [deferred, after]) {
    t.ok(task.settledAt! - task.startedAt! >= 18, `${task.name} had its time`)
  }
})

t.test('a timeout of Infinity never aborts', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const warnings = processEvents(t, 'warning')
  const patient = app.addTask(untilAborted, { timeout: Infinity })
  const longest = app.addTask(untilAborted, { timeout: 2 ** 31 - 1 })
  const timed = app.addTask(untilAborted, { timeout: 5 })

  await t.rejects(timed.finished, { code: 'FST_ERR_TASK_TIMEOUT' })

  t.equal(patient.status, 'running')
  t.equal(longest.status, 'running')
  t.strictSame(warnings, [])
})

t.test('the timer is cleared when the task settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const timers = new Set<number>()
  let started = 0
  const hook = createHook({
    init (id, type) {
      if (type !== 'Timeout') return
      timers.add(id)
      started++
    },
    destroy (id) { timers.delete(id) }
  }).enable()
  t.teardown(() => hook.disable())

  for (let i = 0; i < 10; i++) {
    app.addTask(() => {}, { timeout: 60_000 })
    await app.addTask(async () => {}, { timeout: 60_000 }).finished
    await app.addTask(Promise.resolve(), { timeout: 60_000 }).finished
    await t.rejects(app.addTask(async () => { throw new Error('broken') }, { timeout: 60_000 }).finished)
    await app.addTask(untilAborted, { timeout: 60_000 }).cancel({ timeout: Infinity })
  }
  await immediate()
  await immediate()
  hook.disable()

  t.ok(started >= 50, 'each had one')
  t.equal(timers.size, 0)
})

t.test('if a task is cancelled and times out, the first counts', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()

  const unwound = withResolvers()
  const cancelled = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(() => unwound.promise)
  }, { timeout: 5 })
  const cancellation = cancelled.cancel({ reason: 'cancel first' })
  const clock = app.addTask(untilAborted, { timeout: 10 })
  await t.rejects(clock.finished)
  t.equal(cancelled.status, 'cancelling', 'its time has run out while it unwinds')
  unwound.resolve()
  await cancellation
  t.equal(cancelled.status, 'cancelled')
  t.match(cancelled.error, { message: 'cancel first' })

  const failed = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(immediate)
  }, { timeout: 1 })
  await once(failed.signal, 'abort')
  t.equal(await failed.cancel({ reason: 'too late' }), undefined)
  t.equal(failed.status, 'failed')
  t.match(failed.error, { code: 'FST_ERR_TASK_TIMEOUT' })
})

t.test('if an outer signal aborts and the task times out, the first counts', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const timed = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(immediate)
  }, { timeout: 1, signal: outer.signal })
  const aborted = app.addTask(untilAborted, { timeout: 60_000, signal: outer.signal })

  await once(timed.signal, 'abort')
  outer.abort('outer')
  await app.tasks.idle()

  t.equal(timed.status, 'failed')
  t.match(timed.error, { code: 'FST_ERR_TASK_TIMEOUT' })
  t.equal(aborted.status, 'cancelled')
  t.equal(aborted.error, 'outer')
})

t.test('a task that follows the signal of one that timed out is cancelled, not failed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = app.addTask(untilAborted, { name: 'outer', timeout: 1 })
  const inner = app.addTask(untilAborted, { name: 'inner', signal: outer.signal })

  await app.tasks.idle()

  t.equal(outer.status, 'failed')
  t.equal(inner.status, 'cancelled')
  t.equal(inner.error, outer.error)
})
