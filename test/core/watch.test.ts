import { getEventListeners, on, EventEmitter } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import type { Task, TaskState } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { countKept } from './fixtures/collect-garbage.ts'
import { isPending } from './fixtures/is-pending.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

/** All that a watch tells, as `status progress`. */
async function tell (states: AsyncIterable<TaskState>): Promise<string[]> {
  const told = []
  for await (const { status, progress } of states) told.push(progress === undefined ? status : `${status} ${String(progress)}`)
  return told
}

t.test('a watch gives the present state at once, then one for each change, the settled one last', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const gates = [withResolvers(), withResolvers(), withResolvers()]
  const task = app.addTask(async function * () {
    for (const [i, gate] of gates.entries()) {
      await gate.promise
      yield i
    }
    await immediate()
  })
  const watch = task.watch()

  t.strictSame((await watch.next()).value, task.toJSON())
  for (const [i, gate] of gates.entries()) {
    const next = watch.next()
    t.equal(await isPending(next), true, 'nothing comes while nothing changes')
    gate.resolve()
    t.match(await next, { done: false, value: { status: 'running', progress: i } })
  }
  t.strictSame(await watch.next(), { done: false, value: task.toJSON() })
  t.equal(task.status, 'completed')
  t.strictSame(await watch.next(), { done: true, value: undefined })
  t.strictSame(await watch.next(), { done: true, value: undefined })
})

t.test('an assignment to progress is a change, an equal value too', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch()
  await watch.next()
  for (const progress of ['half', 'half', undefined]) {
    const next = watch.next()
    task.progress = progress
    t.match(await next, { done: false, value: { progress } })
  }
})

t.test('a watch gives every status: deferred, running, cancelling, cancelled', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(async (app, task) => { await untilAborted(app, task).finally(immediate) })
  const told: string[] = []
  const watched = (async () => {
    for await (const { status } of task.watch()) {
      told.push(status)
      if (status === 'running') task.cancel()
    }
  })()
  await immediate()
  await app.ready()
  await watched
  t.strictSame(told, ['deferred', 'running', 'cancelling', 'cancelled'])
})

t.test('changes that come faster than they are read become one, the last', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch()
  await watch.next()
  for (let i = 1; i <= 100; i++) task.progress = i
  t.match(await watch.next(), { value: { progress: 100 } })
  const next = watch.next()
  t.equal(await isPending(next), true)
  for (let i = 101; i <= 200; i++) task.progress = i
  t.match(await next, { value: { progress: 101 } }, 'who waits hears of the first')
  t.match(await watch.next(), { value: { progress: 200 } })
})

t.test('a late reader gets only the settled state', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async function * () { yield 1; await immediate(); yield 2 })
  const watch = task.watch()
  await watch.next()
  await task.finished
  t.strictSame(await tell(watch), ['completed 2'])
})

t.test('a watch of a settled task has its one state', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const task of [
    app.addTask(() => 'done'),
    app.addTask(() => { throw new Error('broken') }),
    app.addTask(untilAborted, { signal: AbortSignal.abort() })
  ]) {
    t.equal(task.settled, true)
    t.strictSame(await tell(task.watch()), [task.status])
  }
})

t.test('the states of a watch are those of toJSON, with the error of a failed task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(async () => { throw Object.assign(new Error('broken'), { code: 'E_BROKEN' }) })
  const states: TaskState[] = []
  for await (const state of task.watch()) states.push(state)
  t.match(states, [{ status: 'running', error: undefined }, { status: 'failed', error: { name: 'Error', message: 'broken', code: 'E_BROKEN' } }])
})

t.test('any number of watches have the same states, each at its own pace', async t => {
  const { app } = await buildApp(t)
  const warnings = processEvents(t, 'warning')
  const task = app.addTask(async function * () {
    for (let i = 1; i <= 3; i++) {
      await immediate()
      await immediate()
      yield i
    }
  })
  const watched = Array.from({ length: 50 }, () => tell(task.watch()))
  const late = task.watch()
  await late.next()
  await app.ready()
  for (const told of await Promise.all(watched)) t.strictSame(told, ['deferred', 'running', 'running 1', 'running 2', 'running 3', 'completed 3'])
  t.strictSame(await tell(late), ['completed 3'])
  t.strictSame(warnings, [])
})

t.test('several reads at once are answered in their order', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch()
  const reads = [watch.next(), watch.next(), watch.next(), watch.next()]
  task.progress = 1
  task.progress = 2
  await task.cancel()
  t.match(await Promise.all(reads), [{ value: { progress: undefined } }, { value: { progress: 1 } }, { value: { progress: 2 } }, { value: { status: 'cancelling' } }])
  t.match(await watch.next(), { value: { status: 'cancelled' } })
})

t.test('a break out of the loop ends the watch', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch()
  for await (const { status } of watch) if (status === 'running') break
  t.strictSame(await watch.next(), { done: true, value: undefined })
  t.strictSame(await tell(watch), [])
})

t.test('return ends the reads that wait', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const watch = app.addTask(untilAborted).watch()
  await watch.next()
  const reads = [watch.next(), watch.next()]
  t.strictSame(await watch.return!(), { done: true, value: undefined })
  t.strictSame(await Promise.all(reads), Array(2).fill({ done: true, value: undefined }))
  t.strictSame(await watch.return!(), { done: true, value: undefined })
})

t.test('return before the first read ends the watch without a state', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const watch = app.addTask(untilAborted).watch()
  await watch.return!()
  t.strictSame(await tell(watch), [])
})

t.test('an abort of its signal ends a watch as it ends events.on', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const reason = new Error('the client has gone')
  const outer = new AbortController()
  const { signal } = outer
  const emitter = new EventEmitter()
  const iterators: AsyncIterableIterator<unknown>[] = [on(emitter, 'event', { signal }), app.addTask(untilAborted).watch({ signal })]
  emitter.emit('event')
  for (const iterator of iterators) await iterator.next()
  const reads = iterators.map(iterator => [iterator.next(), iterator.next()])

  outer.abort(reason)

  for (const [i, iterator] of iterators.entries()) {
    await t.rejects(reads[i]![0]!, { name: 'AbortError', code: 'ABORT_ERR', cause: reason })
    t.strictSame(await reads[i]![1], { done: true, value: undefined })
    t.strictSame(await iterator.next(), { done: true, value: undefined })
  }
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('if nobody reads when the signal aborts, the next read rejects', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const rejections = processEvents(t, 'unhandledRejection')
  const outer = new AbortController()
  const read = app.addTask(untilAborted).watch({ signal: outer.signal })
  const unread = app.addTask(untilAborted).watch({ signal: outer.signal })
  await read.next()
  outer.abort()
  for (const watch of [read, unread]) {
    await t.rejects(watch.next(), { name: 'AbortError', cause: outer.signal.reason })
    t.strictSame(await watch.next(), { done: true, value: undefined })
  }
  await immediate()
  t.strictSame(rejections, [])
})

t.test('watch throws for an aborted signal, as events.on does', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const signal = AbortSignal.abort('gone')
  const task = app.addTask(untilAborted)
  t.throws(() => on(new EventEmitter(), 'event', { signal }), { name: 'AbortError', code: 'ABORT_ERR', cause: 'gone' })
  t.throws(() => task.watch({ signal }), { name: 'AbortError', code: 'ABORT_ERR', cause: 'gone' })
})

t.test('a watch leaves no listener on its signal, however it ends', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { signal } = new AbortController()
  const listeners = () => getEventListeners(signal, 'abort').length
  const task = app.addTask(untilAborted)

  task.watch({ signal })
  t.equal(listeners(), 0, 'before it is read')
  for await (const { status } of task.watch({ signal })) if (status === 'running') break
  t.equal(listeners(), 0, 'left early')
  const watches = Array.from({ length: 20 }, () => task.watch({ signal }))
  for (const watch of watches) await watch.next()
  t.equal(listeners(), 1, 'one for all')
  const last = watches.pop()!
  for (const watch of watches) await watch.return!()
  t.equal(listeners(), 1)
  await task.cancel()
  t.equal(listeners(), 0, 'settled, though the last state was not read')
  t.strictSame(await tell(last), ['cancelled'])
})

t.test('a watch refuses options that do not exist or have a wrong value', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  const code = 'FST_ERR_TASK_INVALID_OPTION'
  for (const signal of [null, {}, new AbortController(), 'signal']) {
    t.throws(() => task.watch({ signal: signal as AbortSignal }), { code, message: /"signal" of task "report" must be an AbortSignal/ })
  }
  t.throws(() => task.watch({ singal: AbortSignal.abort() } as object), { code, message: /"singal" of task "report" does not exist, the nearest is "signal"/ })
  for (const options of [null, 5, 'signal']) t.throws(() => task.watch(options as unknown as object), { code, message: /must be an object/ })
  for (const interval of [null, -1, NaN, '200', 2 ** 31]) {
    t.throws(() => task.watch({ interval: interval as number }), { code, message: /"interval" of task "report" must be a number of milliseconds from 0 to 2147483647, or Infinity/ })
  }
  t.match(await task.watch({ signal: undefined, interval: undefined }).next(), { done: false, value: { status: 'running' } })
})

t.test('watches end when the app begins to close', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 0 })
  await app.ready()
  const task = app.addTask(deaf)
  const [unread, idle, waiting] = [task.watch(), task.watch(), task.watch()]
  await idle.next()
  task.progress = 1
  await waiting.next()
  const read = waiting.next()

  const closing = app.close()

  t.strictSame(await read, { done: true, value: undefined })
  t.strictSame(await tell(idle), [])
  t.strictSame(await tell(unread), [])
  t.strictSame(await tell(task.watch()), [], 'nor does one begin any more')
  await closing
})

t.test('a settled state that was not read can be read after the app began to close', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch()
  await watch.next()
  await task.cancel()
  await app.close()
  t.strictSame(await tell(watch), ['cancelled'])
})

t.test('an open stream of states does not hold up close', async t => {
  const { app } = await buildApp(t)
  app.post('/tasks', async () => app.addTask(untilAborted, { name: 'long' }))
  app.get('/tasks', async (_request, reply) => {
    async function * lines () {
      for await (const state of app.getTask('long').watch()) yield JSON.stringify(state) + '\n'
    }
    return reply.type('application/x-ndjson').send(Readable.from(lines()))
  })
  const url = await app.listen()
  await (await fetch(`${url}/tasks`, { method: 'POST' })).text()
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/tasks`, { agent: false }, resolve).on('error', reject)
  })
  const body = text(response)
  app.getTask('long').progress = 1
  await immediate()

  await app.close()

  t.match((await body).trimEnd().split('\n').map(line => JSON.parse(line)), [{ status: 'running' }, { status: 'running', progress: 1 }])
})

t.test('Readable.from ends its watch when the client leaves', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { signal } = new AbortController()
  const task = app.addTask(untilAborted)
  const stream = Readable.from(task.watch({ signal }))
  stream.resume()
  await immediate()
  t.equal(getEventListeners(signal, 'abort').length, 1)
  stream.destroy()
  await immediate()
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('a watch that has ended, or that no code holds, is not kept in memory', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const running = app.addTask(untilAborted)
  const settled = app.addTask(untilAborted, { name: 'kept' })
  const { signal } = new AbortController()
  const refs: WeakRef<object>[] = []
  async function watch (task: Task, leave: boolean) {
    const watch = task.watch({ signal })
    await watch.next()
    if (leave) {
      await watch.return!()
    }
    refs.push(new WeakRef(watch))
  }
  for (let i = 0; i < 10; i++) {
    await watch(running, true)
    await watch(settled, false)
  }
  await settled.cancel()
  t.equal(await countKept(refs), 0)
  t.equal(running.status, 'running')
})

t.test('a task that is purged while it is watched is not kept in memory', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const refs: WeakRef<Task>[] = []
  await (async () => {
    const task = app.addTask(untilAborted, { name: 'purged' })
    refs.push(new WeakRef(task))
    await task.watch().next()
    await task.cancel()
    app.purgeTasks()
  })()
  t.equal(await countKept(refs), 0)
})

t.test('a state that was read does not change later', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const { value } = await task.watch().next()
  task.progress = 1
  await task.cancel()
  t.match(value, { status: 'running', progress: undefined })
})
