// A span for every task with OpenTelemetry. The span is active while the work runs, so spans that the work makes
// are its children. Register it before fastify-tasks: onClose hooks run in reverse order, so it still sees the tasks that end
// when the app closes.
import type { AsyncLocalStorage } from 'node:async_hooks'
import { context, SpanStatusCode, trace, type Context, type Span, type SpanOptions } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'
import { sharedByApps, taskChannel, type TaskMessage } from './task-channel.ts'

export interface TracingOptions {
  /** The context manager that you gave to OpenTelemetry: `new NodeSDK({ contextManager })`. */
  contextManager: AsyncLocalStorageContextManager
}

const tracer = trace.getTracer('fastify-tasks')
const spans = new WeakMap<Task, Span>()

function startSpan (task: Task, options?: SpanOptions): Span {
  const attributes = { 'task.id': task.id, 'task.name': task.name, 'task.kind': task.kind }
  const span = tracer.startSpan(`task ${task.kind ?? task.name ?? ''}`.trim(), { attributes, ...options })
  spans.set(task, span)
  return span
}

/** A task that was cancelled before it started gets its span here. It is a root: the active span belongs to the canceller. */
function spanOf (task: Task): Span {
  return spans.get(task) ?? startSpan(task, { root: true, startTime: task.createdAt })
}

function onError (message: unknown) {
  const { task, error } = message as TaskMessage
  spanOf(task).recordException(error instanceof Error ? error : String(error))
  spanOf(task).setStatus({ code: SpanStatusCode.ERROR })
}

function onSettled (message: unknown) {
  const { task } = message as TaskMessage
  spanOf(task).setAttribute('task.status', task.status).end()
}

export default async function tracing (app: FastifyInstance, { contextManager }: TracingOptions) {
  sharedByApps(app, contextManager, () => {
    // OpenTelemetry has no public name for its storage. The work runs in the context that is bound to `start`.
    const storage = contextManager['_asyncLocalStorage'] as AsyncLocalStorage<unknown>
    taskChannel.start.bindStore(storage, (message): Context => {
      const { task } = message as TaskMessage
      return trace.setSpan(context.active(), startSpan(task)) // a child of the active span: that of the request, say
    })
    taskChannel.error.subscribe(onError)
    taskChannel.asyncEnd.subscribe(onSettled)
    return () => {
      taskChannel.start.unbindStore(storage)
      taskChannel.error.unsubscribe(onError)
      taskChannel.asyncEnd.unsubscribe(onSettled)
    }
  })
}

export async function program (app: FastifyInstance) {
  const contextManager = new AsyncLocalStorageContextManager().enable()
  context.setGlobalContextManager(contextManager)
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] }))

  await app.register(tracing, { contextManager })
  await app.register(tasks)
  app.post('/reports', async (request, reply) => reply.code(202).send(app.addTask(async function buildReport () {
    tracer.startSpan('query').end()
  })))
}
