import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { HealthMonitor } from '../../lib/cluster/bullmq/health-monitor.ts'
import { LeaseExpired } from '../../lib/cluster/bullmq/leases.ts'
import { RedisStore } from '../../lib/cluster/bullmq/redis.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

const skip = skipWithout('redis')

async function buildMonitor (t: Test, timeout: number) {
  const server = await startServer('redis')
  const store = new RedisStore(server.url, `health-${process.pid}`)
  const told: string[] = []
  const log = { info: (message: string) => { told.push(message) }, warn: (message: string) => { told.push(message) } }
  const health = new HealthMonitor(store, timeout, log)
  t.teardown(async () => {
    health.close()
    await store.close()
    await server.remove()
  })
  await store.connect() // so that open(), too, is done within a short timeout
  await health.open()
  return { health, told, server: store.server }
}

t.test('an outage is logged once, and so is its end', { skip }, async t => {
  const { health, told, server } = await buildMonitor(t, 200)
  const back = new Promise<void>(resolve => health.onBack(resolve))
  const never = () => health.run(() => new Promise(() => {}))
  await Promise.all([1, 2, 3].map(async () => await t.rejects(never(), { code: 'FST_ERR_TASK_UNREACHABLE' })))
  await back
  t.strictSame(told, [`task server at ${server} does not answer`, `task server at ${server} answers again`])
})

t.test('an operation of many steps may take longer than the time for one step', { skip }, async t => {
  const { health, told } = await buildMonitor(t, 4000)
  const began = performance.now()
  const result = await health.run(async answered => {
    while (performance.now() - began < 5000) {
      await sleep(100)
      answered()
    }
    return 'done'
  })
  t.equal(result, 'done')
  t.strictSame(told, [])
})

t.test('an operation whose next step takes too long is given up', { skip }, async t => {
  const { health } = await buildMonitor(t, 200)
  await t.rejects(health.run(async answered => {
    answered()
    await new Promise(() => {})
  }), { code: 'FST_ERR_TASK_UNREACHABLE' })
})

t.test('an operation that was given up goes no further', { skip }, async t => {
  const { health } = await buildMonitor(t, 50)
  const [gate, ended] = [withResolvers(), withResolvers<string>()]
  await t.rejects(health.run(async answered => {
    await gate.promise
    try {
      answered()
      ended.resolve('went on')
    } catch {
      ended.resolve('stopped')
    }
  }), { code: 'FST_ERR_TASK_UNREACHABLE' })
  gate.resolve()
  t.equal(await ended.promise, 'stopped')
})

t.test('what is still under way when it closes is given up', { skip }, async t => {
  const { health, told } = await buildMonitor(t, 60_000)
  const late = health.run(() => new Promise(() => {}))
  const settled = health.settled()
  health.close()
  await t.rejects(late, { code: 'FST_ERR_TASK_UNREACHABLE', message: /the app has closed/ })
  await t.rejects(health.run(async () => {}), { code: 'FST_ERR_TASK_UNREACHABLE', message: /the app has closed/ })
  await settled
  t.strictSame(told, [])
})

t.test('it has settled when the last step of a verb is done', { skip }, async t => {
  const { health } = await buildMonitor(t, 60_000)
  let steps = 0
  const verb = (async () => {
    while (steps < 5) await health.run(async () => { await sleep(1); steps++ })
  })()
  await health.settled()
  t.equal(steps, 5)
  await verb
})

t.test('a late connection error is not logged while the server answers', { skip }, async t => {
  const { health, told } = await buildMonitor(t, 5000)
  const back = new Promise<void>(resolve => health.onBack(resolve))
  const late = () => health.report(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
  late()
  await back
  late()
  health.close()
  await sleep(50)
  t.strictSame(told, [])
})

t.test('other errors of BullMQ are logged, but not those about locks, and none after close()', { skip }, async t => {
  const { health, told, server } = await buildMonitor(t, 5000)
  health.report(new Error('Missing lock for job 5'))
  health.report(new Error('OOM command not allowed'))
  health.close()
  health.report(new Error('OOM command not allowed'))
  health.report(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
  await sleep(50)
  t.strictSame(told, [`task server at ${server}: OOM command not allowed`])
})

t.test('a verb that does not get a lease in time rejects with a reason of its own', { skip }, async t => {
  const { health } = await buildMonitor(t, 5000)
  const error = new LeaseExpired()
  await t.rejects(health.run(() => Promise.reject(error)), { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, cause: error })
})
