import type { FastifyInstance } from 'fastify'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

t.test('ids count up from 1 in each app', async t => {
  for (let i = 0; i < 2; i++) {
    const { app } = await buildApp(t)
    const added = [
      app.addTask(() => {}),
      app.addTask(() => {}, { name: 'named' }),
      app.addTask(Promise.resolve(), { register: false })
    ]
    t.same(added.map(({ id }) => id), [1, 2, 3])
  }
})

t.test('deferred, running, completed', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise)
  t.equal(task.status, 'deferred')
  t.equal(task.settled, false)
  t.equal(task.result, undefined)

  await app.ready()
  t.equal(task.status, 'running')
  t.equal(task.settled, false)
  t.equal(task.result, undefined)

  work.resolve('done')
  await task.finished
  t.equal(task.status, 'completed')
  t.equal(task.settled, true)
  t.equal(task.result, 'done')
  t.equal(task.error, undefined)
})

t.test('running for its own synchronous part', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let status
  const task = app.addTask((_app, task) => { status = task.status })
  t.equal(status, 'running')
  t.equal(task.status, 'completed')
})

t.test('running, failed: threw', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const error = new Error('boom')
  const task = app.addTask(async () => {
    await setImmediate()
    throw error
  })
  t.equal(task.status, 'running')
  t.equal(task.error, undefined)
  await t.rejects(task.finished)
  t.equal(task.status, 'failed')
  t.equal(task.settled, true)
  t.equal(task.result, undefined)
  t.equal(task.error, error)
})

t.test('running, failed: an AbortError of work that nobody aborted', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async () => { AbortSignal.abort().throwIfAborted() })
  await t.rejects(task.finished, { name: 'AbortError' })
  t.equal(task.status, 'failed')
})

t.test('running, cancelling, failed: timed out', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const aborted = withResolvers()
  const task = app.addTask(async (_app, { signal }) => {
    signal.addEventListener('abort', () => aborted.resolve())
    await aborted.promise
    await unwound.promise
    signal.throwIfAborted()
  }, { timeout: 5 })
  t.equal(task.status, 'running')
  await aborted.promise
  t.equal(task.status, 'cancelling')
  t.equal(task.settled, false)
  t.equal(task.error, undefined)
  unwound.resolve()
  await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
  t.equal(task.status, 'failed')
  t.match(task.error, { code: 'FST_ERR_TASK_TIMEOUT' })
})

const abortEnds: Record<string, (reason: unknown) => unknown> = {
  'the reason itself': reason => reason,
  'an AbortError': () => Object.assign(new Error('aborted'), { name: 'AbortError' }),
  'a DOMException of that name': () => new DOMException('aborted', 'AbortError'),
  'an error caused by the reason': cause => new Error('query failed', { cause }),
  'an error caused by an error caused by the reason': cause => new Error('report failed', { cause: new Error('query failed', { cause }) })
}

for (const [how, make] of Object.entries(abortEnds)) {
  t.test(`running, cancelling, cancelled: ended with ${how}`, async t => {
    const { app, lines } = await buildApp(t)
    await app.ready()
    const unwound = withResolvers()
    const task = app.addTask(async (_app, { signal }) => {
      await unwound.promise
      throw make(signal.reason)
    })
    const reason = new Error('not needed')
    const cancelled = task.cancel({ reason })
    t.equal(task.status, 'cancelling')
    t.equal(task.settled, false)
    t.equal(task.error, undefined)
    unwound.resolve()
    await cancelled
    t.equal(task.status, 'cancelled')
    t.equal(task.settled, true)
    t.equal(task.result, undefined)
    t.equal(task.error, reason, 'the reason, however the work put it')
    t.same(lines.filter(({ level }) => level >= 40), [])
  })
}

t.test('running, cancelling, completed: swallowed the abort and returned', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers<string>()
  const task = app.addTask(() => unwound.promise)
  const cancelled = task.cancel()
  t.equal(task.status, 'cancelling')
  unwound.resolve('nevertheless')
  await cancelled
  t.equal(task.status, 'completed')
  t.equal(task.result, 'nevertheless')
  t.equal(task.error, undefined)
})

t.test('running, cancelling, failed: its clean-up threw something else', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const task = app.addTask(() => unwound.promise)
  const cancelled = task.cancel()
  const error = new Error('cannot unlock')
  unwound.reject(error)
  await t.resolves(cancelled)
  t.equal(task.status, 'failed')
  t.equal(task.error, error)
  t.match(lines.filter(({ level }) => level === 50), [{ msg: 'task failed', err: { message: 'cannot unlock' } }])
})

t.test('deferred, cancelled: never ran', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(() => 'never')
  const reason = new Error('not needed')
  await task.cancel({ reason })
  t.equal(task.status, 'cancelled')
  t.equal(task.error, reason)
  await app.ready()
  t.equal(task.status, 'cancelled')
  t.equal(task.result, undefined)
})

t.test('a promise is running, and cancelled at once', async t => {
  const { app } = await buildApp(t)
  const work = withResolvers<string>()
  const task = app.addTask(work.promise)
  t.equal(task.status, 'running')
  const reason = new Error('not needed')
  task.cancel({ reason })
  t.equal(task.status, 'cancelled')
  t.equal(task.error, reason)
  work.resolve('too late')
  await setImmediate()
  t.equal(task.status, 'cancelled')
  t.equal(task.result, undefined)
})

t.test('what has settled stays as it is', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => 'done', { name: 'report' })
  const before = JSON.stringify(task)
  await task.cancel({ reason: 'too late' })
  app.purgeTasks()
  await app.close()
  t.equal(JSON.stringify(task), before)
})

t.test('times are milliseconds since the epoch, in order', async t => {
  const { app } = await buildApp(t)
  const times = [Date.now()]
  const task = app.addTask(() => setImmediate())
  times.push(task.createdAt, Date.now())
  t.equal(task.startedAt, undefined)
  t.equal(task.settledAt, undefined)
  await new Promise(resolve => setTimeout(resolve, 5))
  times.push(Date.now())
  await app.ready()
  t.type(task.startedAt, 'number')
  t.equal(task.settledAt, undefined)
  times.push(task.startedAt!)
  await task.finished
  t.type(task.settledAt, 'number')
  times.push(task.settledAt!, Date.now())
  t.same(times, times.toSorted((a, b) => a - b))
  t.ok(task.startedAt! > task.createdAt, 'a deferred task starts later than it was added')
})

t.test('times do not move', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => setImmediate())
  await task.finished
  const read = () => [task.createdAt, task.startedAt, task.settledAt]
  const before = read()
  await new Promise(resolve => setTimeout(resolve, 5))
  t.same(read(), before)
})

t.test('a task that never ran has settled without having started', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(() => {})
  await task.cancel()
  t.equal(task.startedAt, undefined)
  t.type(task.settledAt, 'number')
})

interface Case {
  add: (app: FastifyInstance) => Task | Promise<Task>
  state: Record<string, unknown>
}

const states: Record<string, Case> = {
  running: {
    add: app => app.addTask(untilAborted, { name: 'report' }),
    state: { id: 1, name: 'report', kind: 'untilAborted', status: 'running', startedAt: 'time' }
  },
  unnamed: {
    add: app => app.addTask(untilAborted),
    state: { id: 1, kind: 'untilAborted', status: 'running', startedAt: 'time' }
  },
  completed: {
    add: app => app.addTask(() => ({ secret: 'result' }), { name: 'report' }),
    state: { id: 1, name: 'report', status: 'completed', startedAt: 'time', settledAt: 'time' }
  },
  failed: {
    add: app => app.addTask(() => { throw Object.assign(new RangeError('boom'), { code: 'E_BOOM', secret: 'detail' }) }),
    state: { id: 1, status: 'failed', startedAt: 'time', settledAt: 'time', error: { name: 'RangeError', message: 'boom', code: 'E_BOOM' } }
  },
  cancelled: {
    async add (app) {
      const task = app.addTask(untilAborted)
      await task.cancel({ reason: 'not needed' })
      return task
    },
    state: { id: 1, kind: 'untilAborted', status: 'cancelled', startedAt: 'time', settledAt: 'time', error: { name: 'AbortError', message: 'not needed', code: 'ABORT_ERR' } }
  },
  cancelling: {
    add (app) {
      const task = app.addTask(deaf)
      task.cancel({ timeout: 0 }).catch(() => {})
      return task
    },
    state: { id: 1, kind: 'deaf', status: 'cancelling', startedAt: 'time' }
  }
}

for (const [which, { add, state }] of Object.entries(states)) {
  t.test(`the JSON of a task that is ${which} is its state, and no more`, async t => {
    const { app } = await buildApp(t, { cancelTimeout: 5 })
    await app.ready()
    const task = await add(app)
    const json = JSON.parse(JSON.stringify(task))
    for (const time of ['createdAt', 'startedAt', 'settledAt'] as const) {
      if (task[time] === undefined) continue
      t.equal(json[time], new Date(task[time]).toISOString())
      json[time] = 'time'
    }
    t.same(json, { createdAt: 'time', ...state })
  })
}

t.test('toJSON names every part of the state, and neither the result nor a stack', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const work of [() => 'the result', () => { throw new Error('boom') }]) {
    const state = app.addTask<unknown>(work).toJSON()
    t.same(Object.keys(state).sort(), ['createdAt', 'error', 'id', 'kind', 'name', 'progress', 'settledAt', 'startedAt', 'status'])
    const json = JSON.stringify(state)
    t.notMatch(json, /the result|stack|\.test\./)
  }
})

t.test('a result that JSON cannot hold does not spoil the state', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => {
    const result: { self?: unknown, big: bigint } = { big: 10n }
    result.self = result
    return result
  })
  t.equal(JSON.parse(JSON.stringify(task)).status, 'completed')
})

for (const progress of [undefined, null, 0, 50, 'half', { done: 5, of: 10 }, [1, 2]]) {
  t.test(`progress may be ${JSON.stringify(progress)}, and is part of the state`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const task = app.addTask((_app, task) => { task.progress = progress })
    t.equal(task.progress, progress)
    t.same(JSON.parse(JSON.stringify(task)).progress, progress)
  })
}

t.test('progress may be set from outside until the task has settled, and then not', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(untilAborted)
  t.equal(task.progress, undefined)
  task.progress = 'deferred'
  t.equal(task.toJSON().progress, 'deferred')
  await app.ready()
  task.progress = 'running'
  t.equal(task.toJSON().progress, 'running')
  await task.cancel()
  t.equal(task.progress, 'running', 'it is kept')
  task.progress = 'settled'
  t.equal(task.progress, 'running')
  t.equal(task.toJSON().progress, 'running')
})

for (const property of [
  'id', 'name', 'status', 'settled', 'result', 'error', 'createdAt', 'startedAt', 'settledAt', 'log', 'signal', 'finished'
] as const) {
  t.test(`${property} is read-only at run time`, async t => {
    const { app } = await buildApp(t)
    const writable = (task: Task) => task as { -readonly [Property in keyof Task]: any }
    const deferred = app.addTask(untilAborted)
    t.throws(() => { writable(deferred)[property] = 'mine' }, TypeError)
    await app.ready()
    const settled = app.addTask(() => 'done', { name: 'report' })
    for (const task of [deferred, settled]) {
      const before = task[property]
      t.throws(() => { writable(task)[property] = 'mine' }, TypeError)
      t.equal(task[property], before)
    }
  })
}

t.test('a task is no thenable', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  t.notOk('then' in task)
  t.equal(await task, task)
  t.equal(task.status, 'running')
})

t.test('log carries the name of the task, or the id of one that has none', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const named = app.addTask((_app, { log }) => { log.info('from a named task') }, { name: 'report' })
  const unnamed = app.addTask((_app, { log }) => { log.warn({ rows: 5 }, 'from an unnamed task') })
  t.match(lines.filter(({ msg }) => msg.startsWith('from')), [
    { level: 30, task: 'report', msg: 'from a named task' },
    { level: 40, task: unnamed.id, rows: 5, msg: 'from an unnamed task' }
  ])
  t.equal(named.log, named.log, 'one child a task')
})

t.test('log is a child of the log of the instance that adds the task', async t => {
  const { app, lines } = await buildApp(t)
  app.register(async child => {
    child.addTask(({ log }, task) => {
      t.not(task.log, log)
      task.log.info('from a child')
    })
  }, { logLevel: 'info' })
  await app.ready()
  t.match(lines.filter(({ msg }) => msg === 'from a child'), [{ task: 1 }])
})

t.test('signal is that of the task, and not aborted as long as it runs', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let signal: AbortSignal | undefined
  const task = app.addTask(async (_app, task) => {
    signal = task.signal
    await setImmediate()
  })
  t.ok(task.signal instanceof AbortSignal)
  t.equal(task.signal, signal)
  await task.finished
  t.equal(task.signal, signal)
  t.equal(task.signal.aborted, false)
  t.equal(app.addTask(() => {}).signal.aborted, false, 'nor when it is looked at later')
})

for (const kind of ['running callable', 'deferred callable', 'promise']) {
  for (const when of ['before', 'after']) {
    t.test(`signal of a ${kind}, looked at first ${when} the task was cancelled, is aborted with the reason`, async t => {
      const { app } = await buildApp(t)
      if (kind === 'running callable') await app.ready()
      const task = app.addTask(kind === 'promise' ? deaf() : untilAborted)
      const early = when === 'before' ? task.signal : undefined
      const reason = new Error('not needed')
      await task.cancel({ reason })
      t.equal(task.status, 'cancelled')
      if (early !== undefined) t.equal(task.signal, early)
      t.equal(task.signal.aborted, true)
      t.equal(task.signal.reason, reason)
    })
  }
}

for (const when of ['before', 'after']) {
  t.test(`signal of a promise, looked at first ${when} it timed out, is aborted with the error`, async t => {
    const { app } = await buildApp(t)
    const task = app.addTask(deaf(), { timeout: 5 })
    const early = when === 'before' ? task.signal : undefined
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    if (early !== undefined) t.equal(task.signal, early)
    t.equal(task.signal.aborted, true)
    t.equal(task.signal.reason, task.error)
  })
}
