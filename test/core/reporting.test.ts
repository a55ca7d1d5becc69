import { tracingChannel } from 'node:diagnostics_channel'
import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import Fastify, { type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import tasks, { type FastifyTasksOptions, type Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

const DEBUG = 20
const ERROR = 50

t.test('a failed task is logged at error, with its error and its name or id', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const named = app.addTask(() => { throw new TypeError('sync') }, { name: 'named' })
  const unnamed = app.addTask(async () => { throw Object.assign(new Error('async'), { code: 'E_ASYNC' }) })
  const promise = app.addTask(Promise.reject(new Error('promise')), { name: 'promise' })
  await app.tasks.idle()
  await immediate()

  for (const task of [named, unnamed, promise]) t.equal(task.status, 'failed')
  const failures = lines.filter(line => line.level >= 40)
  t.match(failures, [
    { level: ERROR, msg: 'task failed', task: 'named', err: { type: 'TypeError', message: 'sync', stack: /reporting\.test/ } },
    { level: ERROR, msg: 'task failed', task: unnamed.id, err: { message: 'async', code: 'E_ASYNC' } },
    { level: ERROR, msg: 'task failed', task: 'promise', err: { message: 'promise' } }
  ])
  t.equal(failures.length, 3)
})

t.test('starts, completions and cancellations are logged at debug', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  lines.length = 0
  app.addTask(() => {}, { name: 'completes' })
  await app.addTask(async () => {}).finished
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()
  app.addTask(() => { throw new Error('broken') }, { name: 'fails' })

  const told = lines.map(({ level, msg, task }) => ({ level, msg, task }))
  t.strictSame(told, [
    { level: DEBUG, msg: 'task started', task: 'completes' },
    { level: DEBUG, msg: 'task completed', task: 'completes' },
    { level: DEBUG, msg: 'task started', task: 2 },
    { level: DEBUG, msg: 'task completed', task: 2 },
    { level: DEBUG, msg: 'task started', task: 'cancelled' },
    { level: DEBUG, msg: 'task cancelled', task: 'cancelled' },
    { level: DEBUG, msg: 'task started', task: 'fails' },
    { level: ERROR, msg: 'task failed', task: 'fails' }
  ])
})

t.test('a task that never ran is not logged as started', async t => {
  const { app, lines } = await buildApp(t)
  await app.addTask(() => {}, { name: 'early' }).cancel()
  await app.ready()

  t.strictSame(lines.filter(line => line.task === 'early').map(line => line.msg), ['task cancelled'])
})

t.test('task.log has the name of the task and is made once', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const named = app.addTask((app, { log }) => { log.info('named') }, { name: 'report' })
  const unnamed = app.addTask((app, { log }) => { log.info('unnamed') })

  t.match(lines.find(line => line.msg === 'named'), { level: 30, task: 'report' })
  t.match(lines.find(line => line.msg === 'unnamed'), { level: 30, task: unnamed.id })
  t.equal(named.log, named.log)
})

t.test('the option log is what task.log is a child of', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  app.addTask(() => { throw new Error('broken') }, { name: 'report', log: app.log.child({ tenant: 'acme' }) })

  t.match(lines.filter(line => line.level === ERROR), [{ msg: 'task failed', task: 'report', tenant: 'acme' }])
})

t.test('task.log is a child of the logger of the instance that addTask was called on', async t => {
  const { app, lines } = await buildApp(t)
  await app.register(async child => {
    child.log = child.log.child({ plugin: 'reports' })
    child.addTask((app, { log }) => { log.info('at work') })
  })
  await app.ready()

  t.match(lines.find(line => line.msg === 'at work'), { plugin: 'reports', task: 1 })
})

/** A logger that is not pino: it keeps what it is told, and counts its children. */
function plainLogger (level: 'debug' | 'info' = 'debug') {
  const calls: [level: string, bindings: object, ...args: unknown[]][] = []
  const counts = { children: 0 }
  function make (bindings: object): FastifyBaseLogger {
    const logger: Record<string, unknown> = {
      level,
      silent () {},
      child (more: object) {
        counts.children++
        return make({ ...bindings, ...more })
      }
    }
    for (const method of ['fatal', 'error', 'warn', 'info', 'debug', 'trace']) {
      logger[method] = (...args: unknown[]) => { calls.push([method, bindings, ...args]) }
    }
    if (level === 'info') logger.debug = () => {}
    return logger as unknown as FastifyBaseLogger
  }
  return { logger: make({}), calls, counts }
}

async function buildPlainApp (t: Test, loggerInstance: FastifyBaseLogger, options: FastifyTasksOptions = {}) {
  const app = Fastify({ loggerInstance })
  t.teardown(() => app.close())
  await app.register(tasks, options)
  await app.ready()
  return app
}

t.test('with debug off nothing is logged of a task that does not fail, and no child logger is made', async t => {
  const { logger, calls, counts } = plainLogger('info')
  const app = await buildPlainApp(t, logger)
  const before = { calls: calls.length, children: counts.children }

  app.addTask(() => {}, { name: 'completes' })
  await app.addTask(async () => {}).finished
  await app.addTask(Promise.resolve()).finished
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()

  t.equal(calls.length, before.calls)
  t.equal(counts.children, before.children)

  app.addTask(() => { throw new Error('broken') }, { name: 'fails' })
  t.equal(calls.length, before.calls + 1)
  t.equal(counts.children, before.children + 1, 'a failure needs one')
})

t.test('a task makes one child logger, and none before it is asked for', async t => {
  const { logger, calls, counts } = plainLogger()
  const app = await buildPlainApp(t, logger)
  const before = { calls: calls.length, children: counts.children }

  app.addTask((app, { log }) => { log.info('at work') }, { name: 'report' })

  t.strictSame(calls.slice(before.calls), [
    ['debug', {}, { task: 'report' }, 'task started'],
    ['info', { task: 'report' }, 'at work'],
    ['debug', {}, { task: 'report' }, 'task completed']
  ])
  t.equal(counts.children, before.children + 1)
})

t.test('a logger that is not pino gets all lines', async t => {
  const { logger, calls } = plainLogger()
  const app = await buildPlainApp(t, logger)
  calls.length = 0
  const error = new Error('broken')

  app.addTask(() => {}, { name: 'completes' })
  app.addTask(() => { throw error }, { name: 'fails' })

  t.strictSame(calls, [
    ['debug', {}, { task: 'completes' }, 'task started'],
    ['debug', {}, { task: 'completes' }, 'task completed'],
    ['debug', {}, { task: 'fails' }, 'task started'],
    ['error', { task: 'fails' }, { err: error }, 'task failed']
  ])
})

t.test('an app without a logger runs tasks', async t => {
  const app = Fastify({ logger: false })
  t.teardown(() => app.close())
  const failed: unknown[] = []
  await app.register(tasks, { onError: error => { failed.push(error) } })
  app.get('/', async (request, reply) => {
    app.addTask((app, { log }) => { log.info('at work') }, { name: 'after', after: reply })
    return 'sent'
  })
  await app.ready()
  const completed = app.addTask((app, { log }) => {
    log.info('at work')
    return 'done'
  })
  const error = new Error('broken')
  app.addTask(() => { throw error })
  await app.inject('/')
  await app.tasks.idle()

  t.equal(completed.result, 'done')
  t.equal(app.getTask('after').status, 'completed')
  t.strictSame(failed, [error])
})

t.test('onError is called for every failed task, with the error and the task, after it was logged', async t => {
  const calls: [error: unknown, task: Task, logged: boolean, status: string][] = []
  const { app, lines } = await buildApp(t, {
    onError (error, task) {
      const logged = lines.some(line => line.msg === 'task failed' && line.task === (task.name ?? task.id))
      calls.push([error, task, logged, task.status])
    }
  })
  const early = app.addTask(Promise.reject(new Error('promise before ready')), { name: 'early' })
  const deferred = app.addTask(() => { throw new Error('deferred') }, { name: 'deferred' })
  await immediate()
  await app.ready()
  const failing = [
    early,
    deferred,
    app.addTask(() => { throw new Error('sync') }, { name: 'sync' }),
    app.addTask(async () => { throw new Error('async') }, { name: 'async' }),
    app.addTask(async () => { throw new Error('unregistered') }, { name: 'unregistered', register: false }),
    app.addTask(() => { throw undefined }, { name: 'undefined' }), // eslint-disable-line no-throw-literal
    app.addTask(async (app, task) => {
      await untilAborted(app, task).catch(() => { throw new Error('clean-up') })
    }, { name: 'clean-up' }),
    app.addTask(untilAborted, { name: 'timeout', timeout: 1 }),
    app.addTask(deaf(), { name: 'promise timeout', timeout: 1 })
  ]
  await app.cancelTask('clean-up')
  await app.tasks.idle()
  await immediate()

  t.equal(calls.length, failing.length)
  for (const task of failing) {
    const call = calls.find(call => call[1] === task)
    t.strictSame(call, [task.error, task, true, 'failed'], String(task.name))
  }
})

t.test('onError is not called for tasks that complete or are cancelled', async t => {
  let calls = 0
  const { app } = await buildApp(t, { onError () { calls++ } })
  await app.addTask(() => {}).cancel()
  await app.ready()

  app.addTask(() => {})
  await app.addTask(async () => {}).finished
  await app.addTask(untilAborted).cancel({ reason: new Error('a reason is no failure') })
  await app.addTask(deaf()).cancel()
  app.addTask(untilAborted, { signal: AbortSignal.abort() })
  await immediate()

  t.equal(calls, 0)
})

t.test('onError may add the task again', async t => {
  let attempts = 0
  const work = async () => {
    if (++attempts < 3) throw new Error('flaky')
    return 'done'
  }
  const { app } = await buildApp(t, { onError (_error, task) { app.addTask(work, { name: task.name }) } })
  await app.ready()
  app.addTask(work, { name: 'flaky' })

  await app.tasks.idle()

  t.equal(attempts, 3)
  t.match(app.getTask('flaky'), { status: 'completed', result: 'done' })
})

for (const [how, onError] of [
  ['throws', () => { throw new Error('no pager') }],
  ['rejects', async () => { await immediate(); throw new Error('no pager') }]
] as const) {
  t.test(`an onError that ${how} is logged and does not affect its task`, async t => {
    const rejections = processEvents(t, 'unhandledRejection')
    const { app, lines } = await buildApp(t, { onError })
    await app.ready()

    const sync = app.addTask(() => { throw new Error('sync') }, { name: 'sync' })
    const async = app.addTask(async () => { throw new Error('async') }, { name: 'async' })
    await app.tasks.idle()
    await immediate()
    await immediate()

    t.match(sync, { status: 'failed', error: { message: 'sync' } })
    t.match(async, { status: 'failed', error: { message: 'async' } })
    const errors = lines.filter(line => line.level === ERROR)
    t.equal(errors.length, 4)
    for (const task of ['sync', 'async']) {
      t.match(errors.filter(line => line.task === task), [{ msg: 'task failed', err: { message: task } }, { err: { message: 'no pager' } }])
    }
    t.strictSame(rejections, [])
    t.equal(app.addTask(() => 'still here').result, 'still here')
  })
}

/** An app whose logger throws for an error that is null, as a careless serializer does. */
async function buildCarelessApp (t: Test, options: FastifyTasksOptions) {
  const err = (error: Error) => ({ type: error.name, message: error.message, stack: String(error.stack) })
  const app = Fastify({ logger: { level: 'debug', stream: { write () {} }, serializers: { err } } })
  t.teardown(() => app.close())
  await app.register(tasks, options)
  await app.ready()
  t.throws(() => app.log.error({ err: null }))
  return app
}

/** Adds a task that fails at once and one that fails later with what was given. */
function addFailing (app: FastifyInstance, error: unknown) {
  return [app.addTask(() => { throw error }), app.addTask(async () => { throw error })]
}

t.test('a logger that throws on a failure raises no unhandledRejection', async t => {
  const rejections = processEvents(t, 'unhandledRejection')
  const app = await buildCarelessApp(t, {})

  const failing = addFailing(app, null)
  await app.tasks.idle()
  await immediate()

  for (const task of failing) t.match(task, { status: 'failed', error: null })
  t.strictSame(rejections, [])
  t.equal(app.addTask(() => 'still here').result, 'still here')
})

t.test('onError is called even if the logger throws on the failure', async t => {
  const reported: [unknown, Task][] = []
  const app = await buildCarelessApp(t, { onError: (error, task) => { reported.push([error, task]) } })

  const failing = addFailing(app, null)
  await app.tasks.idle()
  await immediate()

  t.equal(reported.length, 2)
  for (const task of failing) t.ok(reported.some(([error, reportedTask]) => error === null && reportedTask === task))
})

t.test('an onError that throws raises no unhandledRejection, even if the logger throws on its error', async t => {
  const rejections = processEvents(t, 'unhandledRejection')
  let calls = 0
  const app = await buildCarelessApp(t, {
    onError () {
      calls++
      throw null // eslint-disable-line no-throw-literal
    }
  })

  addFailing(app, new Error('broken'))
  await app.tasks.idle()
  await immediate()

  t.equal(calls, 2)
  t.strictSame(rejections, [])
})

t.test('a logger that always throws does not affect tasks', async t => {
  const rejections = processEvents(t, 'unhandledRejection')
  const reported: unknown[] = []
  const app = Fastify({ logger: { level: 'debug', stream: { write () { throw new Error('disk full') } } } })
  await app.register(tasks, { onError: error => { reported.push(error) } })
  await app.ready()
  t.throws(() => app.log.debug('anything'), { message: 'disk full' })

  t.equal(app.addTask(() => 'done').result, 'done')
  const failing = addFailing(app, 'broken')
  t.throws(() => app.addTask(Promise.reject(new Error('refused')), { name: '' }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  await app.tasks.idle()
  await immediate()

  for (const task of failing) t.match(task, { status: 'failed', error: 'broken' })
  t.strictSame(reported, ['broken', 'broken'])
  t.strictSame(rejections, [])
  await app.close()
})

t.test('null and undefined as errors are reported like any other', async t => {
  const reported: unknown[] = []
  const { app, lines } = await buildApp(t, { onError: error => { reported.push(error) } })
  await app.ready()

  addFailing(app, null)
  addFailing(app, undefined)
  await app.tasks.idle()
  await immediate()

  t.strictSame(reported, [null, undefined, null, undefined])
  t.strictSame(lines.filter(line => line.level === ERROR).map(line => line.msg), Array(4).fill('task failed'))
})

for (const [what, add] of Object.entries<(app: FastifyInstance) => Task>({
  'a promise that times out': app => app.addTask(deaf(), { timeout: 1 }),
  'work that times out': app => app.addTask(untilAborted, { timeout: 1 })
})) {
  t.test(`the signal of ${what} is aborted before onError is called`, async t => {
    const heard: string[] = []
    const seen: unknown[] = []
    const { app } = await buildApp(t, { onError: (error, task) => { seen.push(task.signal.aborted, task.signal.reason === error, ...heard) } })
    await app.ready()
    const task = add(app)
    task.signal.addEventListener('abort', () => { heard.push('heard') })
    await app.tasks.idle()
    t.strictSame(seen, [true, true, 'heard'])
  })
}

for (const [what, add] of Object.entries<(app: FastifyInstance) => Task>({
  'a promise': app => app.addTask(deaf(), { name: 'ordered' }),
  'a deferred task': app => app.addTask(() => {}, { name: 'ordered' }),
  'a running task': app => app.addTask(untilAborted, { name: 'ordered' })
})) {
  t.test(`the signal of ${what} that is cancelled is aborted before the task is logged, traced and settled`, async t => {
    const order: string[] = []
    const { app, lines } = await buildApp(t)
    if (what === 'a running task') await app.ready()
    const { asyncStart } = tracingChannel('fastify-tasks.task')
    const subscriber = () => { order.push('traced') }
    asyncStart.subscribe(subscriber)
    t.teardown(() => asyncStart.unsubscribe(subscriber))
    const task = add(app)
    const logged = () => lines.some(({ msg }) => msg === 'task cancelled')
    task.signal.addEventListener('abort', () => { order.push(`aborted, ${logged() ? 'logged' : 'not logged'}`) })
    await task.cancel()
    t.strictSame(order, ['aborted, not logged', 'traced'])
    t.equal(logged(), true)
  })
}

t.test('idle and close wait for a promise of onError', async t => {
  let reporting = withResolvers()
  let ended = 0
  const { app } = await buildApp(t, { onError: () => reporting.promise.then(() => { ended++ }) })
  await app.ready()
  app.addTask(() => { throw new Error('broken') })
  const idle = app.tasks.idle()
  t.equal(await isPending(idle), true)
  reporting.resolve()
  await idle
  t.equal(ended, 1)

  reporting = withResolvers()
  app.addTask(async () => { throw new Error('broken') })
  await immediate()
  const closed = app.close()
  t.equal(await isPending(closed), true)
  reporting.resolve()
  await closed
  t.equal(ended, 2)
})

t.test('close waits for an onError that hangs for cancelTimeout, and names its task in the warning', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 30, onError: deaf })
  await app.ready()
  app.addTask(() => { throw new Error('broken') }, { name: 'reported' })
  const began = performance.now()
  await app.close()
  t.ok(performance.now() - began >= 25)
  t.match(lines.filter(({ level }) => level === 40), [{ level: 40, tasks: ['reported'] }])
})

t.test('close waits for a thenable that onError returns, and logs one that cannot be read', async t => {
  const { app, lines } = await buildApp(t, {
    onError: error => ({ then (resolve: () => void, reject: (error: unknown) => void) { if (error === 'good') resolve(); else reject(new Error('bad pager')) } }) as PromiseLike<void>
  })
  await app.ready()
  for (const error of ['good', 'bad']) app.addTask(() => { throw error })
  await app.tasks.idle()
  t.match(lines.filter(({ msg }) => /onError/.test(msg)), [{ level: ERROR, task: 2, err: { message: 'bad pager' } }])
})

t.test('an onError that awaits app.close() delays it by cancelTimeout', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 30, onError: async () => app.close() })
  await app.ready()
  app.addTask(() => { throw new Error('broken') })
  await app.tasks.idle()
  t.throws(() => app.addTask(() => {}), { code: 'FST_ERR_TASK_CLOSED' })
})

t.test('a logger whose warn throws does not keep the app from closing', async t => {
  const app = await buildPlainApp(t, plainLogger().logger, { cancelTimeout: 5, drainTimeout: 5 })
  const lost: string[] = []
  app.log.warn = (_object: unknown, message?: string) => {
    lost.push(String(message))
    throw new Error('disk full')
  }
  app.addTask(deaf, { name: 'deaf' })
  app.addTask(deaf, { name: 'draining', drain: true })
  await t.resolves(app.close())
  t.match(lost, [/draining tasks have not finished/, /tasks have not stopped/])
})
