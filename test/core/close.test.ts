import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import Fastify from 'fastify'
import tasks, { type Task } from '../../index.ts'
import { buildApp, deaf, untilAborted, type LogLine } from './fixtures/app.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const warningsOf = (lines: LogLine[]) => lines.filter(line => line.level === 40)
const errorsOf = (lines: LogLine[]) => lines.filter(line => line.level >= 50)

t.test('close cancels running tasks and waits until they have ended', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  const steps: string[] = []
  const work = (name: string) => async (app: unknown, task: Task) => {
    try {
      await untilAborted(app, task)
    } finally {
      await immediate()
      await immediate()
      steps.push(name)
    }
  }
  const running = [app.addTask(work('named'), { name: 'named' }), app.addTask(work('unnamed'))]

  await app.close()

  t.strictSame(steps, ['named', 'unnamed'])
  for (const task of running) {
    t.equal(task.status, 'cancelled')
    t.match(task.error, { name: 'AbortError', message: /clos/ })
    t.equal(task.signal.reason, task.error)
  }
  t.strictSame(warningsOf(lines), [])
  t.strictSame(errorsOf(lines), [])
  t.equal(app.getTask('named').status, 'cancelled', 'it can still be looked at')
})

t.test('close without tasks resolves', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: Infinity, drainTimeout: Infinity })
  await app.ready()
  app.addTask(() => {}, { name: 'settled' })

  await app.close()

  t.strictSame(warningsOf(lines), [])
})

t.test('close waits for work that ignores its signal for cancelTimeout only', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 50 })
  await app.ready()
  const task = app.addTask(deaf)

  const start = performance.now()
  await app.close()
  const duration = performance.now() - start

  t.ok(duration >= 45, `${duration} ms`)
  t.equal(task.status, 'cancelling')
})

t.test('one warning names the tasks that have not stopped, and no others', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 20, drainTimeout: 20 })
  await app.ready()
  app.addTask(untilAborted, { name: 'polite' })
  app.addTask(deaf, { name: 'deaf' })
  const unnamed = app.addTask(deaf)
  app.addTask(untilAborted)
  app.addTask(deaf, { name: 'unregistered', register: false })
  app.addTask(deaf, { name: 'replaced' })
  app.addTask(untilAborted, { name: 'replaced', onDuplicate: 'replace' })
  app.addTask(deaf(), { name: 'promise' })
  app.addTask(deaf, { name: 'draining', drain: true }).cancel({ timeout: Infinity })

  await app.close()

  const warnings = warningsOf(lines)
  t.equal(warnings.length, 1)
  t.strictSame(new Set(warnings[0]!.tasks as unknown[]), new Set(['deaf', unnamed.id, 'unregistered', 'replaced', 'draining']))
  t.equal((warnings[0]!.tasks as unknown[]).length, 5)
})

t.test('the onClose hooks of other plugins run though tasks have not stopped', async t => {
  const app = Fastify()
  const hooks: string[] = []
  await app.register(async app => { app.addHook('onClose', async () => { hooks.push('registered before') }) })
  app.addHook('onClose', async () => { hooks.push('added before') })
  await app.register(tasks, { cancelTimeout: 10 })
  await app.register(async app => { app.addHook('onClose', async () => { hooks.push('registered after') }) })
  await app.ready()
  app.addTask(deaf)

  t.equal(await app.close(), undefined)

  t.strictSame(hooks.toSorted(), ['added before', 'registered after', 'registered before'])
})

t.test('tasks can use what was registered before the plugin until they have stopped', async t => {
  const app = Fastify()
  const order: string[] = []
  app.addHook('onClose', async () => { order.push('before') })
  await app.register(tasks, { cancelTimeout: 60_000, drainTimeout: 60_000 })
  app.addHook('onClose', async () => { order.push('after') })
  await app.ready()
  app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(async () => {
      await immediate()
      order.push('task')
    })
  })
  app.addTask(async () => {
    await immediate()
    order.push('draining task')
  }, { drain: true })

  await app.close()

  t.equal(order[0], 'after')
  t.strictSame(order.slice(1, 3).sort(), ['draining task', 'task'])
  t.equal(order[3], 'before')
})

t.test('addTask is refused while the app closes, and afterwards', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')
  let runs = 0
  const refusal = { code: 'FST_ERR_TASK_CLOSED', statusCode: 503 }
  const refuse = () => {
    t.throws(() => app.addTask(() => { runs++ }), refusal)
    t.throws(() => app.addTask(() => { runs++ }, { name: 'late', register: false }), { ...refusal, message: /"late"/ })
    t.throws(() => app.addTask(Promise.reject(new Error('late'))), refusal)
  }
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => {})
    refuse()
    await immediate()
    refuse()
    throw task.signal.reason
  })

  await app.close()
  t.equal(task.status, 'cancelled')
  refuse()
  await immediate()

  t.equal(runs, 0)
  t.strictSame(rejections, [], 'a promise that is refused may reject')
})

t.test('work that adds tasks while it is cancelled fails with FST_ERR_TASK_CLOSED', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => {})
    app.addTask(() => {}, { name: 'successor' })
  }, { name: 'hydra' })

  await app.close()

  t.equal(task.status, 'failed')
  t.match(task.error, { code: 'FST_ERR_TASK_CLOSED' })
  t.equal(app.getTask('successor', { optional: true }), undefined)
  t.match(errorsOf(lines), [{ msg: 'task failed', task: 'hydra', err: { code: 'FST_ERR_TASK_CLOSED' } }])
})

t.test('deferred tasks never run in an app that closes before it is ready', async t => {
  const { app, lines } = await buildApp(t)
  let runs = 0
  const deferred = app.addTask(() => { runs++ }, { name: 'deferred' })
  const draining = app.addTask(() => { runs++ }, { name: 'draining', drain: true })
  const promise = app.addTask(deaf(), { name: 'promise' })

  await app.close()
  await immediate()

  t.equal(runs, 0)
  for (const task of [deferred, draining, promise]) {
    t.equal(task.status, 'cancelled', String(task.name))
    t.match(task.error, { name: 'AbortError' })
  }
  t.equal(deferred.startedAt, undefined)
  t.strictSame(warningsOf(lines), [])
})

t.test('close cancels ten thousand live tasks', async t => {
  const { app, lines } = await buildApp(t)
  app.log.level = 'info'
  await app.ready()
  const live = Array.from({ length: 10_000 }, (_, i) => {
    return app.addTask(untilAborted, i % 2 === 0 ? {} : { name: `task-${i}` })
  })

  await app.close()

  t.ok(live.every(task => task.status === 'cancelled'))
  t.strictSame(warningsOf(lines), [])
})

t.test('close cancels tasks that are not in app.tasks and waits for them', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  const unnamed = app.addTask(untilAborted)
  const unregistered = app.addTask(untilAborted, { register: false })
  const namedUnregistered = app.addTask(untilAborted, { name: 'name', register: false })
  const unwound = withResolvers()
  const replaced = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(() => unwound.promise)
  }, { name: 'name' })
  const holder = app.addTask(untilAborted, { name: 'name', onDuplicate: 'replace' })
  t.equal(replaced.status, 'cancelling')

  const closed = app.close()
  await holder.finished.catch(() => {})
  t.equal(await isPending(closed), true, 'the replaced one unwinds still')
  unwound.resolve()
  await closed

  for (const task of [unnamed, unregistered, namedUnregistered, replaced, holder]) {
    t.equal(task.status, 'cancelled')
  }
})

t.test('close cancels tasks of promises at once, however they end', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: Infinity })
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')
  const work = withResolvers()
  const tasks = [app.addTask(deaf()), app.addTask(work.promise)]

  await app.close()
  work.reject(new Error('late'))
  await immediate()

  for (const task of tasks) t.equal(task.status, 'cancelled')
  t.strictSame(rejections, [])
  t.strictSame(errorsOf(lines), [])
})

t.test('close waits for tasks that were cancelled before', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  const unwound = withResolvers()
  const work = async (app: unknown, task: Task) => {
    await untilAborted(app, task).finally(() => unwound.promise)
  }
  const cancelled = app.addTask(work)
  const timedOut = app.addTask(work, { timeout: 1 })
  cancelled.cancel({ reason: 'before' })
  await sleep(5)
  t.equal(timedOut.status, 'cancelling')

  const closed = app.close()
  await immediate()
  t.equal(await isPending(closed), true)
  unwound.resolve()
  await closed

  t.match(cancelled, { status: 'cancelled', error: { message: 'before' } })
  t.match(timedOut, { status: 'failed', error: { code: 'FST_ERR_TASK_TIMEOUT' } })
})

t.test('work that closes its own app and waits for that does not deadlock', async t => {
  for (const drain of [false, true]) {
    const { app, lines } = await buildApp(t, { cancelTimeout: 20, drainTimeout: 20 })
    await app.ready()
    const task = app.addTask(async app => {
      await app.close()
      return 'closed'
    }, { name: 'closer', drain })

    t.equal(await task.finished, 'closed')

    t.equal(task.status, 'completed')
    t.match(warningsOf(lines), [{ tasks: ['closer'] }])
  }
})

t.test('work that closes its own app without waiting is cancelled like any other', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask((app, task) => {
    app.close()
    return untilAborted(app, task)
  })

  await t.rejects(task.finished, { name: 'AbortError' })
  await app.close()

  t.equal(task.status, 'cancelled')
  t.strictSame(warningsOf(lines), [])
})

t.test('with a cancelTimeout of 0 close does not wait', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 0 })
  await app.ready()
  const polite = app.addTask(untilAborted, { name: 'polite' })
  const stubborn = app.addTask(deaf, { name: 'deaf' })

  await app.close()

  t.equal(polite.status, 'cancelled')
  t.equal(stubborn.status, 'cancelling')
  t.match(warningsOf(lines), [{ tasks: ['deaf'] }])
})

t.test('with a cancelTimeout of Infinity close waits for as long as it takes', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: Infinity })
  await app.ready()
  const warnings = processEvents(t, 'warning')
  const unwound = withResolvers()
  const task = app.addTask(() => unwound.promise)

  const closed = app.close()
  await sleep(30)
  t.equal(await isPending(closed), true)
  t.equal(task.status, 'cancelling')
  unwound.resolve()
  await closed

  t.equal(task.status, 'completed')
  t.strictSame(warningsOf(lines), [])
  t.strictSame(warnings, [])
})

t.test('close resolves though a clean-up throws, which is logged', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => { throw new Error('disk full') })
  }, { name: 'messy' })

  t.equal(await app.close(), undefined)

  t.match(task, { status: 'failed', error: { message: 'disk full' } })
  t.match(errorsOf(lines), [{ msg: 'task failed', task: 'messy', err: { message: 'disk full' } }])
  t.strictSame(warningsOf(lines), [])
})

t.test('tasks of encapsulated plugins are closed with the app', async t => {
  const { app } = await buildApp(t)
  let task: Task | undefined
  await app.register(async child => {
    child.addHook('onReady', async () => { task = child.addTask(untilAborted, { name: 'child' }) })
  })
  await app.ready()
  t.equal(task?.status, 'running')

  await app.close()

  t.equal(task?.status, 'cancelled')
})

t.test('closing an app does not affect the tasks of another', async t => {
  const { app } = await buildApp(t)
  const { app: other } = await buildApp(t)
  await Promise.all([app.ready(), other.ready()])
  const task = other.addTask(untilAborted)

  await app.close()

  t.equal(task.status, 'running')
  t.equal(other.addTask(() => 'taken').result, 'taken')
})

t.test('idle resolves with the tasks that close has stopped', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(untilAborted)
  const idle = app.tasks.idle()

  await app.close()

  t.equal(await isPending(idle), false)
})
