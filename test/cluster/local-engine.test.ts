// Faults that only the engine without a server can have.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { SETTLED_BACKOFF, type StoredTask } from '../../lib/cluster/engine.ts'
import { LocalQueue } from '../../lib/cluster/local/queue.ts'
import { SettledCalls } from '../../lib/cluster/local/settled-calls.ts'
import { processEvents } from '../core/fixtures/process-events.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { buildApp, buildFleet } from './fixtures/fleet.ts'

const engine = { name: 'local', connection: undefined } as const
const settings = {
  concurrency: 10,
  globalConcurrency: Infinity,
  limit: undefined,
  attempts: 1,
  backoff: { type: 'fixed', delay: 0, jitter: 0 },
  maxStalls: 2,
  maxSettled: 1000,
  maxSettledAge: Infinity
} as const

t.test('whatever a run throws fails its task, and stopping does not reject', async t => {
  const queue = new LocalQueue(settings)
  await queue.work(() => { throw new Error('out of order') })
  const [added] = await queue.add([{ name: 'x', id: 1, unique: true, data: 1, delay: 0, priority: 0 }])
  t.equal(added!.task.status, 'deferred')
  while ((await queue.get('x'))!.status !== 'failed') await nextTurn()
  t.match(await queue.get('x'), { error: { message: 'out of order' } })
  t.strictSame(await queue.stop(0, 0), { handedOver: [], cancelled: [], left: [] })
})

t.test('a task that is gone is not cancelled', async t => {
  const queue = new LocalQueue(settings)
  t.equal(await queue.cancelFirst('gone', 1, { name: 'AbortError', message: 'too late', code: undefined }), undefined)
})

t.test('work that fails at once, again and again, lets timers run and the app close', async t => {
  const [{ app, kind }] = await buildFleet(t, engine, () => { throw new Error('at once') }, { attempts: 1_000_000 })
  const task = await kind.addTask(1)
  await new Promise(resolve => setTimeout(resolve, 1))
  t.equal(task.settled, false)
  await app.close()
})

t.test('a schedule whose next time is beyond the last Date ends', async t => {
  const [{ kind }] = await buildFleet(t, engine, () => {})
  await kind.scheduleTask('never', { every: Number.MAX_SAFE_INTEGER })
  t.strictSame(await kind.schedules(), [])
})

t.test('a task may be delayed for longer than a timer takes', async t => {
  const [{ kind }] = await buildFleet(t, engine, () => {})
  const month = 31 * 86_400_000
  const task = await kind.addTask(1, { delay: month })
  t.equal(task.startsAt, task.createdAt + month)
  const never = await kind.addTask(1, { delay: Number.MAX_SAFE_INTEGER })
  t.match(never.toJSON(), { startsAt: '+275760-09-13T00:00:00.000Z' })
  await kind.cancelTasks()
})

t.test('finished resolves even if no settled task is kept', async t => {
  const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data, { concurrency: 300, maxSettled: 0 })
  const tasks = await kind.addTasks(Array.from({ length: 300 }, (_, data) => ({ data })))
  t.strictSame(await Promise.all(tasks.map(task => task.finished)), Array.from({ length: 300 }, (_, data) => data))
})

t.test('if two calls cancel all tasks at once, each counts those that it has cancelled', async t => {
  const [{ kind }] = await buildFleet(t, engine, () => {}, { maxSettled: 0 })
  await kind.pause()
  await kind.addTasks([1, 2, 3].map(data => ({ data })))
  const [first, second] = await Promise.all([kind.cancelTasks(), kind.cancelTasks()])
  t.equal(first + second, 3)
})

t.test('no task starts after a pause, and those that waited go on in their order', async t => {
  const started: unknown[] = []
  const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => { started.push(data) })
  await kind.addTask(1)
  await kind.pause()
  await kind.addTask(2)
  await new Promise(resolve => setTimeout(resolve, 5))
  t.strictSame(started, [])
  await kind.resume()
  await kind.idle()
  t.strictSame(started, [1, 2])
})

t.test('an attempt that is tried again causes no process warning', async t => {
  const warnings = processEvents(t, 'warning')
  const { app } = await buildApp(t, engine)
  const kind = app.cluster.defineTask('retried', (_app, { attempt }) => {
    if (attempt === 1) throw new Error('once')
    return 'ran'
  }, { attempts: 2 })
  await app.ready()
  t.equal(await (await kind.addTask(1)).finished, 'ran')
  await nextTurn()
  t.strictSame(warnings, [])
})

t.test('a result that is no JSON fails its run with a log line', async t => {
  const [{ kind, lines }] = await buildFleet(t, engine, () => 10n)
  const task = await kind.addTask(1)
  await t.rejects(task.finished, { code: 'FST_ERR_TASK_INVALID_DATA' })
  t.ok(lines.some(({ msg, err }) => msg === 'task failed' && err?.message.includes('cannot be stored as JSON')))
})

t.test('a watch that begins while the app closes ends at once', async t => {
  const [{ app, kind }] = await buildFleet(t, engine, async (_app, { signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  const task = await kind.addTask(1, { name: 'long' })
  let ended: unknown
  app.server.once('close', async () => { ended = await task.watch().next() })
  await app.listen({ port: 0 })
  await app.close()
  t.strictSame(ended, { done: true, value: undefined })
})

t.test('a queue without a worker has no workers and no latency, and drops no other task', async t => {
  const queue = new LocalQueue(settings)
  t.strictSame(await queue.workers(), [])
  t.equal(await queue.latency(), 0)
  await queue.add([{ name: 'x', id: 1, unique: true, data: 1, delay: 0, priority: 0 }])
  t.equal(await queue.drop('x', 1), false) // it has not settled
  await queue.cancel('x', 1, { name: 'Error', message: 'no', code: undefined })
  t.equal(await queue.drop('x', 2), false) // an earlier task of that name
  t.equal(await queue.drop('x', 1), true)
  t.equal(await queue.drop('x', 1), false)
})

t.test('a purge without an age does not read the clock', async t => {
  const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
  await (await kind.addTask(1, { name: 'done' })).finished
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() - 3_600_000
  t.equal(await kind.purgeTasks({ status: 'completed', olderThan: 0 }), 0)
  t.equal(await kind.purgeTasks({ status: 'completed' }), 1)
})

t.test('a process stays alive while it waits for a delayed task or a call of onSettled, and ends when it no longer does', async t => {
  const child = fork(new URL('fixtures/awaited.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  t.equal(output, '3\n2\n')
  t.equal(code, 0)
})

t.test('a call of onSettled that has failed is not made again once the queue has stopped', async t => {
  let calls = 0
  const called = withResolvers()
  const queue = new LocalQueue({
    ...settings,
    onSettled: async () => {
      calls++
      called.resolve()
      throw new Error('failed')
    }
  })
  await queue.work(() => { throw new Error('out of order') })
  await queue.add([{ name: 'x', id: 1, unique: true, data: 1, delay: 0, priority: 0 }])
  await called.promise
  await queue.stop(0, 0)
  await new Promise(resolve => setTimeout(resolve, 1.5 * SETTLED_BACKOFF)) // the next call would come before
  t.equal(calls, 1)
})

t.test('a call of onSettled that has failed ten times is not pending any more', async t => {
  const { setTimeout } = globalThis
  t.teardown(() => { globalThis.setTimeout = setTimeout })
  const waits: number[] = []
  globalThis.setTimeout = ((callback: () => void, ms: number) => {
    waits.push(ms)
    return setTimeout(callback, 0)
  }) as typeof setTimeout
  const ended = withResolvers<string>()
  const calls = new SettledCalls(async () => { throw new Error('failed') }, ({ name }) => ended.resolve(name))
  const held = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(held))
  calls.add({ name: 'x' } as StoredTask)
  t.equal(calls.pending, 1)
  t.equal(await ended.promise, 'x')
  t.equal(calls.pending, 0)
  t.strictSame(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000])
})
