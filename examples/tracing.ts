// A span for every task with OpenTelemetry, from the diagnostics channel of fastify-tasks. Register it before
// fastify-tasks: onClose hooks run in reverse order, so that it still sees the tasks that end as the app closes.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { SpanStatusCode, trace, type Span, type SpanOptions } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import type { Task } from '../index.ts'

const tracer = trace.getTracer('fastify-tasks')

export default async function tracing (app: FastifyInstance) {
  const spans = new WeakMap<Task, Span>()

  function startSpan ({ id, name }: Task, options?: SpanOptions) {
    const attributes = { 'task.id': id, 'task.name': name }
    return tracer.startSpan(name === undefined ? 'task' : `task ${name}`, { attributes, ...options })
  }

  function onStart (message: unknown) {
    const { task } = message as { task: Task }
    spans.set(task, startSpan(task)) // a child of the active span: that of the request, say
  }

  function onSettled (message: unknown) {
    const { task } = message as { task: Task }
    // Cancelled before it started, it is nobody's child: the active span is that of whoever cancelled it.
    const span = spans.get(task) ?? startSpan(task, { root: true, startTime: task.createdAt })
    span.setAttribute('task.status', task.status)
    if (task.status === 'failed') {
      span.recordException(task.error instanceof Error ? task.error : String(task.error))
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end()
  }

  subscribe('tracing:fastify-tasks.task:start', onStart)
  subscribe('tracing:fastify-tasks.task:asyncEnd', onSettled)
  app.addHook('onClose', async () => {
    unsubscribe('tracing:fastify-tasks.task:start', onStart)
    unsubscribe('tracing:fastify-tasks.task:asyncEnd', onSettled)
  })
}
