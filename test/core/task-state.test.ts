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

t.test('running during the synchronous part of its work', async t => {
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

t.test('a settled task does not change', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => 'done', { name: 'report' })
  const before = JSON.stringify(task)
  await task.cancel({ reason: 'too late' })
  app.purgeTasks()
  await app.close()
  t.equal(JSON.stringify(task), before)
})

t.test('the times of a task are milliseconds since the epoch, in order', async t => {
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

t.test('the times of a task do not change', async t => {
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

t.test('a result that JSON cannot hold does not affect the state', async t => {
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

t.test('a task is not a thenable', async t => {
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

t.test('the signal is not aborted while the task runs', async t => {
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
    t.test(`the signal of a ${kind}, first read ${when} the task was cancelled, is aborted with the reason`, async t => {
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
  t.test(`the signal of a promise, first read ${when} it timed out, is aborted with the error`, async t => {
    const { app } = await buildApp(t)
    const task = app.addTask(deaf(), { timeout: 5 })
    const early = when === 'before' ? task.signal : undefined
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    if (early !== undefined) t.equal(task.signal, early)
    t.equal(task.signal.aborted, true)
    t.equal(task.signal.reason, task.error)
  })
}

/** Errors by what their state is to tell. */
const thrown: [string, unknown, { name?: string, message: string | RegExp, code?: string }][] = [
  ['an AggregateError of a refused connection', Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('connect ECONNREFUSED 127.0.0.1:5432')]), { code: 'ECONNREFUSED' }),
    { name: 'AggregateError', message: 'connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432', code: 'ECONNREFUSED' }],
  ['an AggregateError of AggregateErrors', new AggregateError([new AggregateError([new Error('inner')]), new Error('outer')]), { message: 'inner; outer' }],
  ['an AggregateError with a message', new AggregateError([new Error('inner')], 'all failed'), { message: 'all failed' }],
  ['an AggregateError of nothing', new AggregateError([]), { message: /^AggregateError/ }],
  ['an error with a cause and no message', new Error('', { cause: new Error('the reason') }), { message: 'the reason' }],
  ['an error whose cause is a string', new Error('', { cause: 'the reason' }), { message: 'the reason' }],
  ['an error without a message', new TypeError(), { name: 'TypeError', message: 'TypeError' }],
  ['an error with a code and no message', Object.assign(new Error(), { code: 'E_CODE', status: 402 }), { message: /^Error \{ code: 'E_CODE', status: 402 \}$/, code: 'E_CODE' }],
  ['an object', { status: 402, reason: 'declined' }, { name: 'Error', message: "{ status: 402, reason: 'declined' }" }],
  ['an object that holds an error', { inner: new Error('broken') }, { message: '{ inner: Error: broken }' }],
  ['an object whose message is an object', { message: { text: 'declined' } }, { message: "{ text: 'declined' }" }],
  ['an object whose message is a number', { message: 5 }, { message: '5' }],
  ['an object whose message is null', { message: null }, { message: '{ message: null }' }],
  ['an array', [1, 'two'], { message: "[ 1, 'two' ]" }],
  ['an empty array', [], { message: '[]' }],
  ['a function', function work () {}, { name: 'Error', message: '[Function: work]' }],
  ['a class', class Broken {}, { name: 'Error', message: '[class Broken]' }],
  ['an empty string', '', { message: "''" }],
  ['a symbol', Symbol('gone'), { message: 'Symbol(gone)' }],
  ['null', null, { message: 'null' }]
]
const circular = new Error('')
circular.cause = circular
thrown.push(['an error that is its own cause', circular, { message: /^<ref \*1> Error/ }])

for (const [what, error, expected] of thrown) {
  t.test(`the state of a task that failed with ${what} says why`, async t => {
    const { app } = await buildApp(t, { onError () {} })
    await app.ready()
    const task = app.addTask(() => { throw error })
    t.equal(task.error, error)
    t.match(task.toJSON().error, expected)
  })
}

t.test('a message made from an error without one has at most 1,000 characters, and no half of a character', async t => {
  const { app } = await buildApp(t, { onError () {} })
  await app.ready()
  const reason = (error: unknown) => app.addTask(() => { throw error }).toJSON().error!.message
  t.equal(reason(Array(2000).fill(1)).length <= 1000, true)
  t.equal(reason(new AggregateError(Array.from({ length: 100 }, () => new Error('x'.repeat(500))))).length, 1000)
  t.equal(reason(new AggregateError([new Error(`${'x'.repeat(999)}😀`)])), 'x'.repeat(999))
  t.equal(reason(new Error('x'.repeat(5000))).length, 5000, 'its own message is left as it is')
})

t.test('no state contains a stack', async t => {
  const { app } = await buildApp(t, { onError () {} })
  await app.ready()
  for (const [, error] of thrown) t.notMatch(JSON.stringify(app.addTask(() => { throw error })), /task-state\.test/)
})

const cycle: { self?: unknown } = {}
cycle.self = [cycle]
for (const [what, progress] of Object.entries<unknown>({
  'a BigInt': 10n,
  'an object with a BigInt': { done: [1, { of: 10n }] },
  'an object with a boxed BigInt': { done: Object(10n) },
  'a cycle': cycle,
  'an object with a getter that throws': { get done () { throw new Error('unreadable') } },
  'an object whose toJSON throws': { toJSON () { throw new Error('unreadable') } }
})) {
  t.test(`progress that is ${what} is [unreadable] in the state, and lists can be sent`, async t => {
    const { app } = await buildApp(t)
    app.get('/tasks', async () => app.tasks)
    await app.ready()
    const task = app.addTask(untilAborted, { name: 'task' })
    app.addTask(untilAborted, { name: 'other' })
    task.progress = progress
    t.equal(task.progress, progress)
    t.equal(task.toJSON().progress, '[unreadable]')
    const response = await app.inject('/tasks')
    t.equal(response.statusCode, 200)
    t.match(response.json(), [{ name: 'task', progress: '[unreadable]' }, { name: 'other' }])
  })
}

const shared = { n: 1 }
for (const [what, progress] of Object.entries<unknown>({
  'an object that is there twice': { first: shared, second: shared, list: [shared, shared] },
  'a date': { at: new Date(0) },
  'a function, which JSON leaves out': { f () {}, s: Symbol('s'), u: undefined },
  'a list of everything': [1, 'two', null, true, { three: [] }]
})) {
  t.test(`progress that is ${what} is in the state as it is`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const task = app.addTask(untilAborted)
    task.progress = progress
    t.equal(task.toJSON().progress, progress)
  })
}
