// Metrics for Prometheus with prom-client, scraped at /metrics; grafana.json is a dashboard for them. Register it before
// fastify-tasks: onClose hooks run in reverse order, so that it still sees the tasks that end as the app closes.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'
import type {} from 'fastify-tasks/cluster'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { ACTIVE, BUCKETS, DURATION, FLEET, SETTLED } from './metric-names.ts'
import { sharedByApps, taskChannel, type TaskMessage } from './task-channel.ts'

export interface MetricsOptions {
  registry: Registry
}

/** Counts tasks in a registry from now on. Returns how to stop. */
function countTasks (registry: Registry): () => void {
  const registers = [registry]
  const active = new Gauge({ name: ACTIVE, help: 'Tasks that have started and not ended', labelNames: ['kind'], registers })
  const settled = new Counter({ name: SETTLED, help: 'Tasks that have ended', labelNames: ['kind', 'status'], registers })
  const duration = new Histogram({ name: DURATION, help: 'How long tasks ran', labelNames: ['kind', 'status'], buckets: BUCKETS, registers })
  const started = new WeakSet<Task>()

  function onStart (message: unknown) {
    const { task } = message as TaskMessage
    started.add(task)
    active.inc({ kind: task.kind ?? '' })
  }

  function onSettled (message: unknown) {
    const { task } = message as TaskMessage
    const { status } = task
    const kind = task.kind ?? ''
    settled.inc({ kind, status })
    if (task.startedAt !== undefined) duration.observe({ kind, status }, (task.settledAt! - task.startedAt) / 1000)
    if (started.delete(task)) active.dec({ kind })
  }

  taskChannel.start.subscribe(onStart)
  taskChannel.asyncEnd.subscribe(onSettled)
  return () => {
    taskChannel.start.unsubscribe(onStart)
    taskChannel.asyncEnd.unsubscribe(onSettled)
    for (const name of [ACTIVE, SETTLED, DURATION]) registry.removeSingleMetric(name)
  }
}

/** Adds a gauge to a registry that reads the counts of the fleet's kinds at each scrape. Every process reads the same counts. */
function countFleet (registry: Registry, app: FastifyInstance) {
  const counts = new Gauge({
    name: FLEET,
    help: 'Tasks of the fleet; failed includes cancelled',
    labelNames: ['kind', 'status'],
    registers: [registry],
    async collect () {
      counts.reset()
      await Promise.all(Array.from(app.cluster, async kind => {
        for (const [status, count] of Object.entries(await kind.count())) counts.set({ kind: kind.name, status }, count)
      })).catch(err => app.log.warn({ err }, 'no counts of the fleet')) // the other metrics are scraped all the same
    }
  })
}

export default async function metrics (app: FastifyInstance, { registry }: MetricsOptions) {
  sharedByApps(app, registry, () => countTasks(registry))
  app.addHook('onReady', async () => {
    if (app.hasDecorator('cluster')) countFleet(registry, app)
  })

  app.get('/metrics', async (request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

export async function program (app: FastifyInstance) {
  await app.register(metrics, { registry: new Registry() })
  await app.register(tasks)
  app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(function buildReport (app, { signal }) {
    return sleep(5000, undefined, { signal })
  })))
}
