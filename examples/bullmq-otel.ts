// OpenTelemetry across the fleet, with bullmq-otel: the span of a run is a child of the span that was active where its task
// was added, though another process runs it. (tracing.ts has a span for every task of this process.)
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor, type SpanExporter } from '@opentelemetry/sdk-trace-base'
import { BullMQOtel } from 'bullmq-otel'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import cluster, { type ClusterOptions } from 'fastify-tasks/cluster'

/** `NodeSDK` does the same. The propagator carries a trace to another process. */
export function setUpOpenTelemetry (exporter: SpanExporter) {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
}

/** Set up OpenTelemetry before you call this. */
export async function register (app: FastifyInstance, options: ClusterOptions) {
  await app.register(tasks)
  await app.register(cluster, { ...options, telemetry: new BullMQOtel({ tracerName: 'reports' }) })
}

export async function program (app: FastifyInstance) {
  const { TASKS_URL: connection = 'redis://127.0.0.1:6379' } = process.env
  setUpOpenTelemetry(new ConsoleSpanExporter())
  await register(app, { connection })
  const deliveries = app.cluster.defineTask('delivery', async () => 'delivered')
  app.post('/deliveries', async (request, reply) => reply.code(202).send(await deliveries.addTask()))
}
