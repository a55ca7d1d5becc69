// OpenTelemetry across the fleet, with bullmq-otel: the span of a run is a child of the span that was active where its task
// was added, though another process runs it. (tracing.ts has a span for every task of this process.)
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { BullMQOtel } from 'bullmq-otel'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import cluster, { type ClusterOptions } from 'fastify-tasks/cluster'

/** Set OpenTelemetry up first, with `NodeSDK` or as the program below does. */
export async function register (app: FastifyInstance, options: ClusterOptions) {
  await app.register(tasks)
  await app.register(cluster, { ...options, telemetry: new BullMQOtel({ tracerName: 'reports' }) })
}

export async function program (app: FastifyInstance) {
  const { TASKS_URL: connection = 'redis://127.0.0.1:6379' } = process.env
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] }))
  await register(app, { connection })
  const reports = app.cluster.defineTask('report', async () => 'the report')
  app.post('/reports', async (request, reply) => reply.code(202).send(await reports.addTask()))
}
