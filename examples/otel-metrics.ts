// Metrics with OpenTelemetry, under the same names as metrics.ts. Register it before fastify-tasks: onClose hooks run in
// reverse order, so that it still sees the tasks that end as the app closes.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Meter } from '@opentelemetry/api'
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'
import { ACTIVE, BUCKETS, DURATION, SETTLED } from './metric-names.ts'
import { sharedByApps, taskChannel, type TaskMessage } from './task-channel.ts'

export interface OtelMetricsOptions {
  /** Such as `metrics.getMeter('fastify-tasks')`. */
  meter: Meter
}

/** Counts tasks with a meter from now on. Returns how to stop. */
function countTasks (meter: Meter): () => void {
  const active = meter.createUpDownCounter(ACTIVE, { description: 'Tasks that have started and not ended' })
  const settled = meter.createCounter(SETTLED, { description: 'Tasks that have ended' })
  const duration = meter.createHistogram(DURATION, {
    description: 'How long tasks ran',
    unit: 's',
    advice: { explicitBucketBoundaries: BUCKETS }
  })
  const started = new WeakSet<Task>()

  function onStart (message: unknown) {
    const { task } = message as TaskMessage
    started.add(task)
    active.add(1, { kind: task.kind })
  }

  function onSettled (message: unknown) {
    const { task } = message as TaskMessage
    const { kind, status } = task
    settled.add(1, { kind, status })
    if (task.startedAt !== undefined) duration.record((task.settledAt! - task.startedAt) / 1000, { kind, status })
    if (started.delete(task)) active.add(-1, { kind })
  }

  taskChannel.start.subscribe(onStart)
  taskChannel.asyncEnd.subscribe(onSettled)
  return () => {
    taskChannel.start.unsubscribe(onStart)
    taskChannel.asyncEnd.unsubscribe(onSettled)
  }
}

export default async function otelMetrics (app: FastifyInstance, { meter }: OtelMetricsOptions) {
  sharedByApps(app, meter, () => countTasks(meter))
}

export async function program (app: FastifyInstance) {
  const reader = new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter(), exportIntervalMillis: 10_000 })
  const provider = new MeterProvider({ readers: [reader] })
  app.addHook('onClose', () => provider.shutdown())

  await app.register(otelMetrics, { meter: provider.getMeter('fastify-tasks') })
  await app.register(tasks)
  app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(function buildReport (app, { signal }) {
    return sleep(5000, undefined, { signal })
  })))
}
