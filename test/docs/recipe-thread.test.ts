import Fastify from 'fastify'
import t, { type Test } from 'tap'
import thread, { type ThreadOptions } from '../../examples/thread.ts'
import tasks from '../../index.ts'
import type { LogLine } from '../core/fixtures/app.ts'

/** A limit that keeps a thread busy for as long as any test lives. */
const huge = 1_000_000_000

async function counter (t: Test, options: ThreadOptions = {}) {
  const lines: LogLine[] = []
  const app = Fastify({ logger: { stream: { write: line => { lines.push(JSON.parse(line)) } } } })
  t.teardown(() => app.close())
  await app.register(thread, options)
  await app.register(tasks)

  async function countPrimes (limit: number) {
    const { statusCode } = await app.inject({ method: 'PUT', url: `/primes/${limit}` })
    t.equal(statusCode, 202)
    return app.getTask<number>(`/primes/${limit}`)
  }

  return { app, lines, countPrimes }
}

t.test('a thread does the work, and the task has its result', async t => {
  const { countPrimes } = await counter(t)
  const task = await countPrimes(1000)

  t.equal(task.status, 'running')
  t.equal(await task.finished, 168)
})

t.test('cancelling a task stops its thread in the middle of a loop', async t => {
  const { countPrimes } = await counter(t, { maxThreads: 1 })
  const endless = await countPrimes(huge)
  const next = await countPrimes(100)

  await endless.cancel()

  t.equal(endless.status, 'cancelled')
  t.equal(await next.finished, 25, 'done by the one thread that there may be')
})

t.test('a task that is cancelled while it waits for a thread never runs', async t => {
  const { countPrimes } = await counter(t, { maxThreads: 1 })
  const endless = await countPrimes(huge)
  const waiting = await countPrimes(100)

  await waiting.cancel()

  t.equal(waiting.status, 'cancelled')
  t.equal(endless.status, 'running')
})

t.test('the tasks end before their pool does when the app closes', async t => {
  const { app, lines, countPrimes } = await counter(t)
  const task = await countPrimes(huge)

  await app.close()

  t.equal(task.status, 'cancelled', 'not failed for the want of a pool')
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('two plugins in one app have names of their own', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(thread, { prefix: '/a', maxThreads: 1 })
  await app.register(thread, { prefix: '/b', maxThreads: 1 })
  await app.register(tasks)

  for (const prefix of ['a', 'b']) await app.inject({ method: 'PUT', url: `/${prefix}/primes/100` })
  await app.tasks.idle()

  t.strictSame(Array.from(app.tasks, ({ name, result }) => [name, result]), [['/a/primes/100', 25], ['/b/primes/100', 25]])
})
