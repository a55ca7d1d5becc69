import { getEventListeners } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as immediate } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import tasks, { type Task } from '../../index.ts'
import { buildApp, closeAfter, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { lazyQuery } from './fixtures/lazy-query.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

t.test('an outer signal cancels the task with its reason', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const reason = new Error('the job is gone')
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).finally(immediate)
  }, { signal: outer.signal })
  t.equal(task.status, 'running')

  outer.abort(reason)

  t.equal(task.status, 'cancelling')
  t.not(task.signal, outer.signal)
  t.equal(task.signal.reason, reason)
  t.equal(await task.finished.catch(error => error), reason)
  t.equal(task.status, 'cancelled')
  t.equal(task.error, reason)
})

t.test('an outer signal cancels a task that has not started', async t => {
  const { app } = await buildApp(t)
  const outer = new AbortController()
  let runs = 0
  const task = app.addTask(() => { runs++ }, { signal: outer.signal })

  outer.abort(new Error('no use'))

  t.equal(task.status, 'cancelled')
  t.match(task.error, { message: 'no use' })
  await app.ready()
  t.equal(runs, 0)
  t.equal(task.startedAt, undefined)
})

t.test('with an aborted signal the task is cancelled at once and never runs', async t => {
  const { app } = await buildApp(t)
  const signal = AbortSignal.abort(new Error('over'))
  let runs = 0
  const work = () => { runs++ }

  const early = app.addTask(work, { signal })
  t.equal(early.status, 'cancelled')
  await app.ready()
  const late = app.addTask(work, { signal, name: 'late' })

  for (const task of [early, late]) {
    t.equal(task.status, 'cancelled')
    t.equal(task.error, signal.reason)
    t.equal(task.signal.reason, signal.reason)
    t.equal(task.startedAt, undefined)
    t.equal(await task.finished.catch(error => error), signal.reason)
  }
  await immediate()
  t.equal(runs, 0)
  t.equal(listeners(signal), 0)
  t.equal(app.getTask('late'), late)
  t.strictSame([...app.tasks], [late], 'the unnamed one has gone, the named one stays until it is purged')
})

t.test('with an aborted signal the task of a promise is cancelled at once', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')
  const signal = AbortSignal.abort('over')

  for (const promise of [async () => 'result', async () => { throw new Error('late') }, deaf]) {
    const task = app.addTask(promise(), { signal })
    t.equal(task.status, 'cancelled')
    await immediate()
    t.equal(task.status, 'cancelled')
    t.equal(task.error, 'over')
    t.equal(task.result, undefined)
  }
  t.strictSame(rejections, [])
  t.notOk(lines.some(line => line.level >= 40))
})

t.test('a reason may be of any type', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const error = new Error('stop')
  const reasons: [string, unknown, object][] = [
    ['a string', 'stop', { name: 'Error', message: 'stop', code: undefined }],
    ['an Error', error, { name: 'Error', message: 'stop', code: undefined }],
    ['a number', 42, { name: 'Error', message: '42', code: undefined }],
    ['null', null, { name: 'Error', message: 'null', code: undefined }],
    ['an object', { code: 'STOP' }, { name: 'Error', message: "{ code: 'STOP' }", code: 'STOP' }]
  ]
  for (const [what, reason, state] of reasons) {
    const outer = new AbortController()
    const task = app.addTask(untilAborted, { signal: outer.signal })
    outer.abort(reason)
    t.equal(await task.finished.catch(error => error), reason, what)
    t.equal(task.status, 'cancelled', what)
    t.equal(task.error, reason, what)
    t.equal(task.signal.reason, reason, what)
    t.strictSame(task.toJSON().error, state, what)
  }
})

t.test('without a reason, the reason is the AbortError of the platform', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const task = app.addTask(untilAborted, { signal: outer.signal })

  outer.abort()

  await t.rejects(task.finished, { name: 'AbortError' })
  t.equal(task.error, outer.signal.reason)
})

/** An AbortSignal as polyfills from before `reason` have it. */
class BareSignal extends EventTarget {
  aborted = false
  abort () {
    this.aborted = true
    this.dispatchEvent(new Event('abort'))
  }
}

t.test('a signal without a reason cancels like any other', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new BareSignal()
  const task = app.addTask(untilAborted, { signal: outer as unknown as AbortSignal })

  outer.abort()
  await app.tasks.idle()

  t.equal(task.status, 'cancelled')
  t.equal(task.signal.aborted, true)
  t.match(task.error, { name: 'AbortError', message: /task 1: its signal was aborted/ }, 'an AbortError stands in for it')
  t.equal(task.signal.reason, task.error)

  const late = app.addTask(untilAborted, { name: 'late', signal: outer as unknown as AbortSignal })
  t.match(late, { status: 'cancelled', error: { name: 'AbortError', message: /task "late"/ } })
})

t.test('if the reason is missing, an error of the clean-up is a failure', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new BareSignal()
  const task = app.addTask(async (app, task) => {
    await untilAborted(app, task).catch(() => {})
    throw new Error('disk full')
  }, { signal: outer as unknown as AbortSignal })

  outer.abort()
  await app.tasks.idle()

  t.equal(task.status, 'failed')
  t.match(task.error, { message: 'disk full' })
})

t.test('if the outer signal aborts before a cancellation, its reason counts', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const first = app.addTask(untilAborted, { signal: outer.signal })
  const second = app.addTask(untilAborted, { signal: outer.signal })

  const cancellation = second.cancel({ reason: 'cancel' })
  outer.abort('signal')
  await Promise.all([cancellation, first.cancel({ reason: 'cancel' })])

  t.equal(first.error, 'signal')
  t.match(second.error, { message: 'cancel' })
})

t.test('fifty tasks on one signal raise no MaxListenersExceededWarning, and all are cancelled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const warnings = processEvents(t, 'warning')
  const outer = new AbortController()
  const tasks = Array.from({ length: 50 }, () => app.addTask(untilAborted, { signal: outer.signal }))
  await immediate()

  t.ok(listeners(outer.signal) > 0)
  outer.abort('all of you')
  await app.tasks.idle()
  await immediate()

  t.strictSame(warnings, [])
  t.ok(tasks.every(task => task.status === 'cancelled' && task.error === 'all of you'))
  t.equal(listeners(outer.signal), 0)
})

t.test('ten thousand settled tasks leave no listener on a signal that lives on', async t => {
  const { app } = await buildApp(t)
  app.log.level = 'info'
  await app.ready()
  const { signal } = new AbortController()
  for (let i = 0; i < 10_000; i++) {
    if (i % 3 === 0) app.addTask(() => {}, { signal })
    else if (i % 3 === 1) app.addTask(async () => {}, { signal })
    else app.addTask(untilAborted, { signal }).cancel()
  }

  await app.tasks.idle()

  t.equal(listeners(signal), 0)
})

t.test('a task that settles does not affect the others on its signal', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const living = app.addTask(untilAborted, { signal: outer.signal })
  for (let i = 0; i < 20; i++) await app.addTask(async () => {}, { signal: outer.signal }).finished
  const last = app.addTask(untilAborted, { signal: outer.signal })
  await last.cancel()

  outer.abort('late')
  await living.finished.catch(() => {})

  t.equal(living.status, 'cancelled')
  t.equal(living.error, 'late')
})

t.test('while a shared signal aborts, a task may cancel, add or await others', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const outer = new AbortController()
  const { signal } = outer
  let added: Task | undefined
  const first = app.addTask((app, task) => {
    task.signal.addEventListener('abort', () => {
      second.cancel({ reason: 'by the first' })
      added = app.addTask(untilAborted, { signal })
    })
    return untilAborted(app, task)
  }, { signal })
  const second = app.addTask(untilAborted, { signal })
  const third = app.addTask(untilAborted, { signal })

  outer.abort('outer')
  await app.tasks.idle()

  t.equal(first.error, 'outer')
  t.match(second.error, { message: 'by the first' })
  t.equal(third.error, 'outer')
  t.match(added, { status: 'cancelled', error: 'outer', startedAt: undefined })
})

t.test('AbortSignal.timeout cancels with its TimeoutError', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const signal = AbortSignal.timeout(5)
  const task = app.addTask(untilAborted, { signal })

  // Its timer does not hold the process: this does, as a server would.
  const held = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(held))
  await t.rejects(task.finished, { name: 'TimeoutError' })

  t.equal(task.status, 'cancelled')
  t.equal(task.error, signal.reason)
  t.notOk(lines.some(line => line.level >= 40))
})

t.test('AbortSignal.any of several signals cancels with the reason of the first', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const [left, right] = [new AbortController(), new AbortController()]
  const task = app.addTask(untilAborted, { signal: AbortSignal.any([left.signal, right.signal]) })

  right.abort('right')
  left.abort('left')

  t.equal(await task.finished.catch(error => error), 'right')
})

t.test('another task\'s signal cancels along with it, and with the same reason', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const parent = app.addTask(untilAborted, { name: 'parent' })
  const child = app.addTask(untilAborted, { name: 'child', signal: parent.signal })
  const orphan = app.addTask(untilAborted, { name: 'orphan', signal: child.signal })

  await app.cancelTask('child', { reason: 'only you' })
  t.equal(parent.status, 'running')
  await orphan.finished.catch(() => {})
  t.equal(orphan.status, 'cancelled')

  const second = app.addTask(untilAborted, { signal: parent.signal })
  await parent.cancel({ reason: 'all of you' })
  await second.finished.catch(() => {})
  t.equal(second.status, 'cancelled')
  t.equal(second.error, parent.error)
})

t.test('a task that completes does not abort those on its signal', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const parent = app.addTask(async () => {})
  const child = app.addTask(untilAborted, { signal: parent.signal })

  await parent.finished
  await immediate()

  t.equal(child.status, 'running', 'to complete is no abort')
})

/**
 * What a task of a healthy client, whose response ends or not, is to outlive: each of these is such a client's request.
 */
const requests: Record<string, RequestInit> = {
  'a GET': {},
  'a POST with a body': { method: 'POST', body: JSON.stringify({ some: 'body' }), headers: { 'content-type': 'application/json' } }
}

for (const [what, init] of Object.entries(requests)) {
  t.test(`request.signal is not fit for a task: Fastify aborts it for a healthy client of ${what}, too`, async t => {
    const app = Fastify() // without a logger: whether there is one decides when it aborts
    closeAfter(t, app)
    await app.register(tasks)
    app.route({
      method: ['GET', 'POST'],
      url: '/',
      handler: async request => {
        app.addTask(untilAborted, { name: 'wrong', signal: request.signal })
        app.addTask(untilAborted, { name: 'right' })
        return 'answered'
      }
    })
    const url = await app.listen()

    t.equal(await (await fetch(url, init)).text(), 'answered')
    await app.getTask('wrong').finished.catch(() => {})

    t.match(app.getTask('wrong'), { status: 'cancelled', error: { name: 'AbortError' } }, 'nobody has left')
    t.equal(app.getTask('right').status, 'running', 'without it the task outlives its request')
  })
}

t.test('a response that closes without having been sent tells that the client has left', async t => {
  const { app } = await buildApp(t)
  const started = withResolvers<Task>()
  app.post('/', async (request, reply) => {
    const left = new AbortController()
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) left.abort(new Error('the client has left'))
    })
    const task = app.addTask(untilAborted, { signal: left.signal })
    started.resolve(task)
    if (request.headers['x-wait'] === undefined) return 'answered'
    await task.finished.catch(() => {})
    return reply.hijack()
  })
  const url = await app.listen()

  t.equal(await (await fetch(url, { ...requests['a POST with a body'] })).text(), 'answered')
  const healthy = await started.promise
  await immediate()
  t.equal(healthy.status, 'running')

  const { port } = app.server.address() as AddressInfo
  Object.assign(started, withResolvers<Task>())
  const client = request({ port, method: 'POST', headers: { 'x-wait': 'yes' } })
  client.on('error', () => {})
  client.end()
  const task = await started.promise
  client.destroy()
  await task.finished.catch(() => {})
  t.match(task, { status: 'cancelled', error: { message: 'the client has left' } })
})

t.test('a signal without removeEventListener, or of another shape, is refused', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { signal } = new AbortController()
  for (const lacking of ['addEventListener', 'removeEventListener', 'aborted']) {
    const partial = new Proxy(signal, { get: (signal, property) => property === lacking ? undefined : Reflect.get(signal, property, signal) })
    t.throws(() => app.addTask(untilAborted, { signal: partial }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /must be an AbortSignal/ })
  }
  t.equal(app.tasks.size, 0)
})

for (const maxSettledAge of [undefined, 60_000]) {
  t.test(`a listener of a cancelled task's signal can add a task of its name: maxSettledAge ${maxSettledAge}`, async t => {
    const purged: number[] = []
    const { app } = await buildApp(t, { onPurged: ({ id }) => { purged.push(id) } })
    await app.ready()
    const first = app.addTask(deaf(), { name: 'a', maxSettledAge })
    first.signal.addEventListener('abort', () => app.addTask(() => 'second', { name: 'a', maxSettledAge }))
    await first.cancel()
    t.equal(await app.getTask('a').finished, 'second')
    await app.tasks.idle()
    t.strictSame(purged, [first.id])
    t.strictSame(Array.from(app.tasks, ({ id, status }) => [id, status]), [[2, 'completed']])
    t.equal(app.tasks.size, 1)
  })
}

t.test('idle waits for onError of a task, though a listener of its signal adds one that completes at once', async t => {
  holdProcess(t)
  const gate = withResolvers<void>()
  const order: string[] = []
  const { app } = await buildApp(t, { onError: () => gate.promise.then(() => { order.push('onError') }) })
  await app.ready()
  const task = app.addTask(deaf(), { timeout: 1 })
  const added = new Promise<void>(resolve => {
    task.signal.addEventListener('abort', () => {
      app.addTask(() => {})
      resolve()
    })
  })
  const idle = app.tasks.idle().then(() => { order.push('idle') })
  await added
  await immediate()
  gate.resolve()
  await idle
  t.strictSame(order, ['onError', 'idle'])
})

t.test('with an aborted signal a thenable is not started, and a promise is looked at', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { query, runs } = lazyQuery()
  const signal = AbortSignal.abort(new Error('gone'))
  t.equal(app.addTask(query, { signal }).status, 'cancelled')
  t.equal(app.addTask(Promise.reject(new Error('late')), { signal }).status, 'cancelled')
  t.equal(runs(), 0)
})
