import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader, type Histogram } from '@opentelemetry/sdk-metrics'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import otelMetrics from '../../examples/otel-metrics.ts'
import tasks from '../../index.ts'
import { untilAborted } from '../core/fixtures/app.ts'

/** A meter, and how to read what it has measured. */
function measure (t: Test) {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] })
  t.teardown(() => provider.shutdown())

  /** The points of a metric: value and attributes. */
  async function read (name: string) {
    exporter.reset()
    await provider.forceFlush()
    const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? []
    const points = metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []
    return points.map(({ value, attributes }) => ({ value, ...attributes }))
  }

  return { meter: provider.getMeter('fastify-tasks'), read }
}

async function measuredApp (t: Test, { meter, read } = measure(t)) {
  const app = Fastify({ logger: { stream: { write () {} } } })
  t.teardown(() => app.close())
  await app.register(otelMetrics, { meter })
  await app.register(tasks)
  await app.ready()
  return { app, meter, read }
}

t.test('an active task is counted by its kind until it ends', async t => {
  const { app, read } = await measuredApp(t)
  const task = app.addTask(untilAborted, { name: 'a secret', kind: 'report' })
  app.addTask(untilAborted, { kind: 'report', register: false })

  t.strictSame(await read('fastify_tasks_active'), [{ value: 2, kind: 'report' }])
  await task.cancel()
  t.strictSame(await read('fastify_tasks_active'), [{ value: 1, kind: 'report' }])
})

t.test('settled tasks are counted by kind and status', async t => {
  const { app, read } = await measuredApp(t)
  app.addTask(() => {}, { kind: 'report' })
  app.addTask(() => { throw new Error('no data') }, { kind: 'report' })
  await app.addTask(untilAborted, { kind: 'mail' }).cancel()

  t.strictSame(await read('fastify_tasks_settled_total'), [
    { value: 1, kind: 'report', status: 'completed' },
    { value: 1, kind: 'report', status: 'failed' },
    { value: 1, kind: 'mail', status: 'cancelled' }
  ])
})

t.test('the duration is a histogram in seconds, up to six hours', async t => {
  const { app, read } = await measuredApp(t)
  const task = app.addTask(() => new Promise(resolve => setTimeout(resolve, 20)), { kind: 'report' })
  await task.finished

  const [point] = await read('fastify_tasks_duration_seconds')
  const { buckets, count, sum } = point!.value as Histogram
  t.strictSame(buckets.boundaries, [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1800, 3600, 21600])
  t.strictSame({ count, sum }, { count: 1, sum: (task.settledAt! - task.startedAt!) / 1000 })
  t.match(point, { kind: 'report', status: 'completed' })
})

t.test('a task that was cancelled before it started has no duration and was never active', async t => {
  const { app, read } = await measuredApp(t)
  app.addTask(() => t.fail('it ran'), { kind: 'report', signal: AbortSignal.abort() })

  t.strictSame(await read('fastify_tasks_duration_seconds'), [])
  t.strictSame(await read('fastify_tasks_active'), [])
  t.strictSame(await read('fastify_tasks_settled_total'), [{ value: 1, kind: 'report', status: 'cancelled' }])
})

t.test('a task is counted once, however many apps of the process share the meter', async t => {
  const first = await measuredApp(t)
  const { app, read } = await measuredApp(t, first)

  app.addTask(() => {}, { kind: 'report' })

  t.strictSame(await read('fastify_tasks_settled_total'), [{ value: 1, kind: 'report', status: 'completed' }])
})

t.test('tasks that end while the app closes are counted, and later ones are not', async t => {
  const { app, read } = await measuredApp(t)
  app.addTask(untilAborted, { kind: 'report' })

  await app.close()
  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(tasks)
  await other.ready()
  other.addTask(() => {}, { kind: 'report' })

  t.strictSame(await read('fastify_tasks_settled_total'), [{ value: 1, kind: 'report', status: 'cancelled' }])
})
