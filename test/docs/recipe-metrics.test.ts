import { setImmediate as immediate } from 'node:timers/promises'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import t, { type Test } from 'tap'
import metrics from '../../examples/metrics.ts'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import { skipWithout, startServer } from '../cluster/fixtures/servers.ts'
import { closeAfter, untilAborted } from '../core/fixtures/app.ts'

async function measuredApp (t: Test, registry = new Registry(), options = {}) {
  const app = Fastify({ logger: { stream: { write () {} } } })
  closeAfter(t, app)
  await app.register(metrics, { registry, ...options })
  await app.register(tasks)
  const url = await app.listen()

  /** What a Prometheus would scrape, without comments. */
  async function scrape (): Promise<string[]> {
    const response = await fetch(`${url}/metrics`)
    t.equal(response.headers.get('content-type'), registry.contentType)
    return (await response.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
  }

  return { app, registry, scrape }
}

t.test('an active task is counted by its kind until it ends', async t => {
  const { app, scrape } = await measuredApp(t)
  const task = app.addTask(untilAborted, { name: 'a secret', kind: 'report' })
  app.addTask(untilAborted, { kind: 'report', register: false })

  t.strictSame(await scrape(), ['fastify_tasks_active{kind="report"} 2'])
  await task.cancel()
  t.ok((await scrape()).includes('fastify_tasks_active{kind="report"} 1'))
})

t.test('settled tasks are counted by kind and status', async t => {
  const { app, scrape } = await measuredApp(t)
  app.addTask(() => {}, { kind: 'report' })
  app.addTask(() => {}, { kind: 'report' })
  app.addTask(() => { throw new Error('no data') }, { kind: 'report' })
  await app.addTask(untilAborted, { kind: 'mail' }).cancel()

  t.strictSame((await scrape()).filter(line => line.startsWith('fastify_tasks_settled_total')), [
    'fastify_tasks_settled_total{kind="report",status="completed"} 2',
    'fastify_tasks_settled_total{kind="report",status="failed"} 1',
    'fastify_tasks_settled_total{kind="mail",status="cancelled"} 1'
  ])
})

t.test('the duration is a histogram in seconds, up to six hours', async t => {
  const { app, scrape } = await measuredApp(t)
  const task = app.addTask(() => new Promise(resolve => setTimeout(resolve, 20)), { kind: 'report' })
  await task.finished

  const lines = (await scrape()).filter(line => line.startsWith('fastify_tasks_duration_seconds'))
  t.strictSame(lines.slice(0, -2).map(line => /le="(.+?)"/.exec(line)![1]), [
    '0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '60', '120', '300', '1800', '3600', '21600', '+Inf'
  ])
  t.equal(lines.at(-1), 'fastify_tasks_duration_seconds_count{kind="report",status="completed"} 1')
  t.equal(lines.at(-2), `fastify_tasks_duration_seconds_sum{kind="report",status="completed"} ${(task.settledAt! - task.startedAt!) / 1000}`)
})

t.test('a task without a kind has an empty label', async t => {
  const { app, scrape } = await measuredApp(t)
  await app.addTask(Promise.resolve()).finished

  t.ok((await scrape()).includes('fastify_tasks_settled_total{kind="",status="completed"} 1'))
})

t.test('a task that was cancelled before it started has no duration and was never active', async t => {
  const { app, scrape } = await measuredApp(t)
  app.addTask(() => t.fail('it ran'), { kind: 'report', signal: AbortSignal.abort() })

  t.strictSame(await scrape(), ['fastify_tasks_settled_total{kind="report",status="cancelled"} 1'])
})

t.test('a task is counted once, however many apps of the process share the registry', async t => {
  const first = await measuredApp(t)
  const second = await measuredApp(t, first.registry)
  second.app.addTask(() => {}, { kind: 'report' })
  t.ok((await second.scrape()).includes('fastify_tasks_settled_total{kind="report",status="completed"} 1'))

  await first.app.close()
  second.app.addTask(() => {}, { kind: 'report' })
  t.ok((await second.scrape()).includes('fastify_tasks_settled_total{kind="report",status="completed"} 2'))
})

t.test('tasks that end while the app closes are counted, and later ones are not', async t => {
  const { app, registry } = await measuredApp(t)
  const settled = registry.getSingleMetric('fastify_tasks_settled_total')!
  app.addTask(untilAborted, { kind: 'report' })

  await app.close()
  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(tasks)
  await other.ready()
  other.addTask(() => {}, { kind: 'report' })

  t.match((await settled.get()).values, [{ value: 1, labels: { kind: 'report', status: 'cancelled' } }])
  t.strictSame(registry.getMetricsAsArray(), [], 'the registry is free for another app')
})

t.test('the tasks of a fleet are counted at each scrape, by kind', async t => {
  const registry = new Registry()
  const app = Fastify({ logger: { stream: { write () {} } } })
  closeAfter(t, app)
  await app.register(metrics, { registry })
  await app.register(tasks)
  await app.register(cluster, { drainTimeout: 0 })
  const reports = app.cluster.defineTask('report', untilAborted, { concurrency: 1 })
  app.cluster.defineTask('mail', () => {})
  await app.ready()
  await reports.addTasks([{}, {}, {}])
  while ((await reports.count()).running === 0) await immediate()
  const scrape = async () => (await registry.getSingleMetricAsString('fastify_tasks_fleet')).split('\n').filter(line => !line.startsWith('#'))

  t.strictSame(await scrape(), [
    'fastify_tasks_fleet{kind="report",status="deferred"} 2',
    'fastify_tasks_fleet{kind="report",status="running"} 1',
    'fastify_tasks_fleet{kind="report",status="completed"} 0',
    'fastify_tasks_fleet{kind="report",status="failed"} 0',
    'fastify_tasks_fleet{kind="mail",status="deferred"} 0',
    'fastify_tasks_fleet{kind="mail",status="running"} 0',
    'fastify_tasks_fleet{kind="mail",status="completed"} 0',
    'fastify_tasks_fleet{kind="mail",status="failed"} 0'
  ])

  const [running] = await reports.tasks({ status: 'running' })
  await running!.cancel()
  t.ok((await scrape()).includes('fastify_tasks_fleet{kind="report",status="failed"} 1'))
})

t.test('while the server of the fleet is away, the other metrics are scraped', { skip: skipWithout('redis', { own: true }) }, async t => {
  const server = await startServer('redis', { own: true })
  t.teardown(server.remove)
  const lines: string[] = []
  const app = Fastify({ logger: { stream: { write: (line: string) => { lines.push(line) } } } })
  closeAfter(t, app)
  const registry = new Registry()
  await app.register(metrics, { registry })
  await app.register(tasks)
  await app.register(cluster, { connection: server.url, timeout: 3000, drainTimeout: 0, cancelTimeout: 0 })
  app.cluster.defineTask('report', () => {})
  const url = await app.listen()
  app.addTask(() => {}, { kind: 'mail' })
  await server.process!.stop()

  const text = await (await fetch(`${url}/metrics`)).text()

  t.match(text, 'fastify_tasks_settled_total{kind="mail",status="completed"} 1')
  t.notMatch(text, 'fastify_tasks_fleet{')
  t.match(lines.join(''), 'no counts of the fleet')
})
