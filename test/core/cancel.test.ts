import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import axios from 'axios'
import t, { type Test } from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('cancelTask aborts a running task and resolves once it has settled', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  t.equal(task.status, 'running')

  const cancellation = app.cancelTask('report')
  t.equal(task.status, 'cancelling')
  t.equal(task.signal.aborted, true)
  t.equal(task.settled, false)

  t.equal(await cancellation, undefined)
  t.equal(task.status, 'cancelled')
  t.equal(task.settled, true)
  t.type(task.settledAt, 'number')
  t.equal(task.result, undefined)
  t.equal(task.error, task.signal.reason)
  t.equal(await task.finished.catch(error => error), task.signal.reason)
  t.equal(app.getTask('report'), task)
  t.notOk(lines.some(line => line.level >= 40), 'a cancellation is no failure')
})

t.test('task.cancel cancels a task without a name and waits for it', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)

  t.equal(await task.cancel(), undefined)

  t.equal(task.status, 'cancelled')
  t.equal(app.tasks.size, 0)
})

t.test('a task cancelled before it starts has settled at once and never runs', async t => {
  const { app } = await buildApp(t)
  let runs = 0
  const task = app.addTask(() => { runs++ }, { name: 'early' })
  const other = app.addTask(() => 'ran')
  const { signal } = task
  t.equal(task.status, 'deferred')

  const cancellation = app.cancelTask('early', { reason: 'changed my mind' })
  t.equal(task.status, 'cancelled')
  t.equal(signal.aborted, true)
  t.equal(signal.reason, task.error)
  await cancellation

  await app.ready()
  t.equal(await other.finished, 'ran')
  t.equal(runs, 0)
  t.equal(task.startedAt, undefined)
  t.type(task.settledAt, 'number')
  t.match(task.error, { name: 'AbortError', message: 'changed my mind' })
  await t.rejects(task.finished, { message: 'changed my mind' })
})

t.test('a second cancel waits for the first one, whose reason counts', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { promise, resolve } = withResolvers()
  let aborts = 0
  const task = app.addTask(async (app, { signal }) => {
    signal.addEventListener('abort', () => { aborts++ })
    await promise
    throw signal.reason
  }, { name: 'shared' })

  const first = task.cancel({ reason: 'first' })
  const second = app.cancelTask('shared', { reason: new Error('second') })
  t.equal(await isPending(first), true)
  t.equal(await isPending(second), true)
  t.equal(task.status, 'cancelling')

  resolve()
  await Promise.all([first, second])
  t.equal(task.status, 'cancelled')
  t.equal(aborts, 1)
  t.match(task.error, { name: 'AbortError', message: 'first' })
  t.equal(task.signal.reason, task.error)
})

t.test('each of several cancels waits for its own timeout', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { promise, resolve } = withResolvers()
  const task = app.addTask(() => promise)

  const patient = task.cancel({ timeout: Infinity })
  await t.rejects(task.cancel({ timeout: 1 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
  t.equal(await isPending(patient), true)

  resolve()
  t.equal(await patient, undefined)
})

t.test('cancelling a settled task resolves at once and changes nothing', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => 'done', { name: 'completed' })
  app.addTask(() => { throw new Error('broken') }, { name: 'failed' })
  app.addTask(untilAborted, { name: 'cancelled' })
  await app.cancelTask('cancelled')

  for (const name of ['completed', 'failed', 'cancelled']) {
    const task = app.getTask(name)
    const { result, error } = task
    const state = task.toJSON()
    t.equal(state.status, name)

    t.equal(await isPending(task.cancel({ reason: 'too late' })), false)
    t.equal(await isPending(app.cancelTask(name, { reason: 'too late', timeout: 0 })), false)

    t.strictSame(task.toJSON(), state)
    t.equal(task.result, result)
    t.equal(task.error, error)
  }
  t.equal(app.getTask('completed').signal.aborted, false)
})

t.test('a task that waits for its own cancellation ends with the timeout\'s error instead of hanging', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 20 })
  await app.ready()
  const task = app.addTask((app, task) => task.cancel(), { name: 'ouroboros' })

  const error = await task.finished.catch(error => error)

  t.equal(error.code, 'FST_ERR_TASK_CANCEL_TIMEOUT')
  t.match(error.message, '"ouroboros"')
  t.equal(task.status, 'failed')
  t.equal(task.error, error)
  t.match(lines.filter(line => line.level === 50), [{ msg: 'task failed', err: { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' } }])
})

t.test('a task may cancel itself without waiting, and end with the abort', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await immediate()
    task.cancel({ reason: 'nothing to do' })
    task.signal.throwIfAborted()
  })

  await t.rejects(task.finished, { message: 'nothing to do' })
  t.equal(task.status, 'cancelled')
})

t.test('cancelling a promise settles its task at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(deaf(), { name: 'promise' })
  const { signal } = task
  t.equal(task.status, 'running')

  const cancellation = app.cancelTask('promise', { reason: 'no use' })

  t.equal(task.status, 'cancelled')
  t.equal(signal.aborted, true)
  t.equal(signal.reason, task.error)
  t.equal(await isPending(cancellation), false)
  t.match(task.error, { message: 'no use' })
})

t.test('what a promise settles with after its cancellation is ignored', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')

  for (const end of ['resolve', 'reject'] as const) {
    const work = withResolvers<unknown>()
    const task = app.addTask(work.promise)
    await task.cancel({ reason: 'first' })
    const state = task.toJSON()

    work[end](new Error('later'))
    await immediate()

    t.strictSame(task.toJSON(), state)
    t.equal(task.status, 'cancelled')
    t.equal(task.result, undefined)
    t.match(task.error, { message: 'first' })
  }
  t.strictSame(rejections, [])
  t.notOk(lines.some(line => line.level >= 40))
})

t.test('cancel stops waiting for work that ignores its signal after its timeout, and the task stays cancelling', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const end of ['completed', 'failed', 'cancelled'] as const) {
    const work = withResolvers<string>()
    const task = app.addTask(() => work.promise, { name: end })

    const error = await app.cancelTask(end, { timeout: 10 }).catch(error => error)
    t.match(error, { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', statusCode: 504 })
    t.match(error.message, `"${end}"`, 'the error names the task')
    t.match(error.message, '10 ms')
    t.equal(task.status, 'cancelling')
    t.equal(task.settled, false)
    t.equal(app.getTask(end), task)

    if (end === 'completed') work.resolve('late')
    else work.reject(end === 'failed' ? new Error('late') : task.signal.reason)
    await task.finished.catch(() => {})
    t.equal(task.status, end, 'later it settles as its work did')
  }
  t.equal(app.getTask('completed').result, 'late')
  t.match(app.getTask('failed').error, { message: 'late' })
  t.match(app.getTask('cancelled').error, { name: 'AbortError' })
})

t.test('cancel waits for the plugin\'s cancelTimeout by default', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 15 })
  await app.ready()
  const task = app.addTask(deaf, { name: 'deaf' })

  await t.rejects(task.cancel(), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: /15 ms/ })
  await t.rejects(app.cancelTask('deaf'), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: /15 ms/ })
  await t.rejects(task.cancel({ timeout: 0 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: / 0 ms/ })
})

t.test('the finally blocks of the work have run when cancel resolves', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 60_000 })
  await app.ready()
  const steps: string[] = []
  app.addTask(async (app, task) => {
    try {
      await untilAborted(app, task)
    } finally {
      steps.push('started')
      await immediate()
      await null
      await immediate()
      steps.push('halfway')
      await immediate()
      steps.push('done')
    }
  }, { name: 'tidy' })

  await app.cancelTask('tidy')

  t.strictSame(steps, ['started', 'halfway', 'done'])
  t.equal(app.getTask('tidy').status, 'cancelled')
})

t.test('an Error as the reason is the reason itself', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  class Superseded extends Error { code = 'SUPERSEDED' }
  const reason = new Superseded('a newer one came')
  const task = app.addTask(untilAborted)

  await task.cancel({ reason })

  t.equal(task.status, 'cancelled')
  t.equal(task.signal.reason, reason)
  t.equal(task.error, reason)
  t.equal(await task.finished.catch(error => error), reason)
  t.strictSame(task.toJSON().error, { name: 'Error', message: 'a newer one came', code: 'SUPERSEDED' })
})

t.test('a string as the reason is the message of an AbortError', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)

  await task.cancel({ reason: 'the user left' })

  t.type(task.error, Error)
  t.match(task.error, { name: 'AbortError', message: 'the user left' })
  t.equal(task.signal.reason, task.error)
})

t.test('without a reason, the reason is an AbortError that names the task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'nightly' })

  await task.cancel()

  t.type(task.error, Error)
  t.match(task.error, { name: 'AbortError', message: /"nightly"/ })
  t.equal(task.signal.reason, task.error)
})

t.test('work that swallows the abort and returns has completed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => {})
    return 'half a report'
  })

  await task.cancel()

  t.equal(task.status, 'completed')
  t.equal(task.result, 'half a report')
  t.equal(task.error, undefined)
  t.equal(await task.finished, 'half a report')
})

t.test('work whose clean-up throws has failed with that, is logged, and cancel resolves', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async (app, task) => {
    try {
      await untilAborted(app, task)
    } finally {
      await immediate()
      // eslint-disable-next-line no-unsafe-finally
      throw new Error('disk full')
    }
  }, { name: 'messy' })

  t.equal(await app.cancelTask('messy'), undefined)

  t.equal(task.status, 'failed')
  t.match(task.error, { message: 'disk full' })
  await t.rejects(task.finished, { message: 'disk full' })
  t.match(lines.filter(line => line.level === 50), [{ msg: 'task failed', task: 'messy', err: { message: 'disk full' } }])
})

t.test('an error that the abort has caused counts as the cancellation', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const abortError = () => Object.assign(new Error('The operation was aborted'), { name: 'AbortError' })
  const cyclic = (cause?: unknown) => {
    const error = new Error('outer', { cause: new Error('inner') })
    ;(error.cause as Error).cause = cause ?? error
    return error
  }
  const unreadable = Object.defineProperty(new Error('unreadable'), 'cause', { get () { throw new Error('no') } })
  const errors: [string, 'cancelled' | 'failed', (reason: unknown) => unknown][] = [
    ['the reason itself', 'cancelled', reason => reason],
    ['an AbortError of its own', 'cancelled', () => abortError()],
    ['a DOMException', 'cancelled', () => new DOMException('aborted', 'AbortError')],
    ['an error caused by the reason', 'cancelled', cause => new Error('query failed', { cause })],
    ['an error caused by an AbortError', 'cancelled', () => new Error('query failed', { cause: abortError() })],
    ['an error whose cause is caused by the reason', 'cancelled', cause => new Error('a', { cause: new Error('b', { cause: new Error('c', { cause }) }) })],
    ['an object caused by the reason', 'cancelled', cause => ({ cause })],
    ['an AggregateError of aborts', 'cancelled', reason => new AggregateError([reason, abortError(), new Error('query failed', { cause: reason })])],
    ['an AggregateError of one abort twice', 'cancelled', () => { const abort = abortError(); return new AggregateError([abort, abort, new AggregateError([abort])]) }],
    ['an error with axios\'s code', 'cancelled', () => Object.assign(new Error('canceled'), { code: 'ERR_CANCELED' })],
    ['an error caused by an AggregateError of aborts', 'cancelled', cause => new Error('a', { cause: new AggregateError([cause, new AggregateError([cause])]) })],
    ['an AggregateError of an abort and something else', 'failed', reason => new AggregateError([reason, new Error('disk full')])],
    ['an AggregateError of nothing', 'failed', () => new AggregateError([])],
    ['an AggregateError of itself', 'failed', () => { const error = new AggregateError([]); error.errors.push(error); return error }],
    ['an error whose errors are no list', 'failed', reason => Object.assign(new Error('a'), { errors: reason })],
    ['an unrelated error', 'failed', () => new Error('disk full')],
    ['an error with an unrelated cause', 'failed', () => new Error('disk full', { cause: new Error('quota') })],
    ['an equal, but other error', 'failed', () => new Error('stop')],
    ['an error that causes itself', 'failed', () => cyclic()],
    ['an error whose cause cannot be read', 'failed', () => unreadable],
    ['undefined', 'failed', () => undefined],
    ['null', 'failed', () => null],
    ['a string', 'failed', () => 'stop']
  ]

  for (const [what, status, thrown] of errors) {
    const reason = new Error('stop')
    let thrownError
    const task = app.addTask(async (app, task) => {
      await untilAborted(app, task).catch(() => {})
      throw (thrownError = thrown(reason))
    })
    await task.cancel({ reason })
    t.equal(task.status, status, what)
    t.equal(task.error, status === 'cancelled' ? reason : thrownError, `${what}: error`)
  }
})

t.test('an AbortError of work that nobody cancelled is a failure', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async () => AbortSignal.abort().throwIfAborted())

  await t.rejects(task.finished, { name: 'AbortError' })

  t.equal(task.status, 'failed')
})

t.test('cancelTask of an unknown name returns a promise that rejects with a 404', async t => {
  const { app } = await buildApp(t)
  await app.ready()

  const cancellation = app.cancelTask('nobody')

  await t.rejects(cancellation, { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404, message: /"nobody"/ })
})

t.test('cancelTask with optional resolves for an unknown name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(untilAborted, { name: 'known' })

  t.equal(await app.cancelTask('nobody', { optional: true }), undefined)
  await t.rejects(app.cancelTask('nobody', { optional: false }), { code: 'FST_ERR_TASK_NOT_FOUND' })

  t.equal(await app.cancelTask('known', { optional: true, reason: 'found' }), undefined)
  t.match(app.getTask('known'), { status: 'cancelled', error: { message: 'found' } })
})

t.test('cancelTask with optional rejects if the work has not stopped', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 0 })
  await app.ready()
  app.addTask(deaf, { name: 'deaf' })

  await t.rejects(app.cancelTask('deaf', { optional: true, timeout: 1 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
})

t.test('a signal that is first read after the cancellation is aborted with the reason', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const reason = new Error('stop')
  const { promise, resolve } = withResolvers()
  let seen: AbortSignal | undefined
  const task = app.addTask(async (app, task) => {
    await promise
    seen = task.signal
    task.signal.throwIfAborted()
  })

  const cancellation = task.cancel({ reason })
  resolve()
  await cancellation

  t.equal(seen?.aborted, true)
  t.equal(seen?.reason, reason)
  t.equal(task.signal, seen)
  t.equal(task.status, 'cancelled')
})

t.test('a task that is cancelled during its synchronous part settles when its work ends', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const statuses: string[] = []
  const cancel = (task: Task) => {
    statuses.push(task.status)
    task.cancel({ reason: 'within' })
    statuses.push(task.status)
  }

  const completed = app.addTask((app, task) => {
    cancel(task)
    return 'returned'
  })
  t.equal(completed.status, 'completed')
  t.equal(completed.result, 'returned')

  const cancelled = app.addTask((app, task) => {
    cancel(task)
    task.signal.throwIfAborted()
  })
  t.equal(cancelled.status, 'cancelled')
  t.match(cancelled.error, { name: 'AbortError', message: 'within' })

  const failed = app.addTask((app, task) => {
    cancel(task)
    throw new Error('other')
  })
  t.equal(failed.status, 'failed')
  t.match(failed.error, { message: 'other' })

  const later = app.addTask(async (app, task) => {
    cancel(task)
    await immediate()
    task.signal.throwIfAborted()
  })
  t.equal(later.status, 'cancelling')
  await t.rejects(later.finished, { message: 'within' })
  t.equal(later.status, 'cancelled')

  t.strictSame(statuses, Array(4).fill(['running', 'cancelling']).flat())
})

t.test('a cancel with options that it does not take rejects and cancels nothing', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'careful' })
  const bad = [{ reason: 42 }, { reason: null }, { timeout: -1 }, { timeout: '5' }, { timeout: NaN }] as object[]

  for (const options of bad) {
    await t.rejects(task.cancel(options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    await t.rejects(app.cancelTask('careful', options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    await t.rejects(app.cancelTask('nobody', { ...options, optional: true }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  }

  t.equal(task.status, 'running')
})

/** A server that answers nobody. */
async function listenInVain (t: Test) {
  const server = createServer(() => {}).listen(0)
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

const clients: Record<string, (url: string, signal: AbortSignal) => Promise<unknown>> = {
  fetch: (url, signal) => fetch(url, { signal }),
  axios: (url, signal) => axios.get(url, { signal }),
  'Promise.any of fetches': (url, signal) => Promise.any([fetch(url, { signal }), fetch(url, { signal })]),
  'Promise.any of axios and fetch': (url, signal) => Promise.any([axios.get(url, { signal }), fetch(url, { signal })]),
  'events.once': (_url, signal) => once(new EventEmitter(), 'never', { signal }),
  'a timer': (_url, signal) => sleep(60_000, undefined, { signal })
}

for (const [what, ask] of Object.entries(clients)) {
  t.test(`work that rejects as an aborted ${what} does is cancelled, or has timed out`, async t => {
    const { app, lines } = await buildApp(t)
    await app.ready()
    const url = await listenInVain(t)
    const reason = new Error('not needed')

    const cancelled = app.addTask((_app, { signal }) => ask(url, signal))
    await sleep(20)
    t.equal(cancelled.status, 'running')
    await cancelled.cancel({ reason })
    t.match(cancelled, { status: 'cancelled', error: reason })

    const timedOut = app.addTask((_app, { signal }) => ask(url, signal), { timeout: 20 })
    await t.rejects(timedOut.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.match(timedOut, { status: 'failed', error: { code: 'FST_ERR_TASK_TIMEOUT' } })
    t.equal(lines.filter(({ msg }) => msg === 'task failed').length, 1)
  })
}

t.test('an AggregateError of aborts of work that nobody cancelled is a failure', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const signal = AbortSignal.abort()
  const task = app.addTask(async () => Promise.any([1, 2].map(async () => signal.throwIfAborted())))
  await app.tasks.idle()
  t.equal(task.status, 'failed')
})
