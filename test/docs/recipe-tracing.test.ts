import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import tracing from '../../examples/tracing.ts'
import tasks from '../../index.ts'
import { untilAborted } from '../core/fixtures/app.ts'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
const contextManager = new AsyncLocalStorageContextManager().enable()
context.setGlobalContextManager(contextManager)
const tracer = trace.getTracer('test')

async function tracedApp (t: Test) {
  exporter.reset()
  const app = Fastify({ logger: { stream: { write () {} } } })
  t.teardown(() => app.close())
  await app.register(tracing, { contextManager })
  await app.register(tasks)
  return app
}

const spanNames = () => exporter.getFinishedSpans().map(span => span.name)

t.test('a task has a span, a child of the span that is active where it is added', async t => {
  const app = await tracedApp(t)
  await app.ready()

  const request = tracer.startActiveSpan('request', span => {
    app.addTask(() => new Promise(resolve => setImmediate(resolve)), { name: 'report:1', kind: 'report' })
    span.end()
    return span.spanContext()
  })
  t.strictSame(spanNames(), ['request'], 'its own ends when it settles')
  await app.tasks.idle()

  t.match(exporter.getFinishedSpans(), [{ name: 'request' }, {
    name: 'task report',
    parentSpanContext: { traceId: request.traceId, spanId: request.spanId },
    attributes: { 'task.id': 1, 'task.name': 'report:1', 'task.kind': 'report', 'task.status': 'completed' },
    status: { code: SpanStatusCode.UNSET },
    events: []
  }])
})

t.test('the spans that the work makes are children of the span of its task', async t => {
  const app = await tracedApp(t)
  await app.ready()

  const task = app.addTask(async () => {
    tracer.startSpan('first query').end()
    await new Promise(resolve => setImmediate(resolve))
    tracer.startSpan('second query').end()
  }, { kind: 'report' })
  await task.finished

  const spans = exporter.getFinishedSpans()
  const { spanId } = spans.find(span => span.name === 'task report')!.spanContext()
  t.match(spans, [
    { name: 'first query', parentSpanContext: { spanId } },
    { name: 'second query', parentSpanContext: { spanId } },
    { name: 'task report' }
  ])
})

t.test('a deferred task is a child of the span that was active when it was added', async t => {
  const app = await tracedApp(t)
  const boot = tracer.startActiveSpan('boot', span => {
    app.addTask(() => {}, { kind: 'warm-up' })
    span.end()
    return span.spanContext()
  })

  await app.ready()

  t.match(exporter.getFinishedSpans(), [{ name: 'boot' }, {
    name: 'task warm-up',
    parentSpanContext: { spanId: boot.spanId },
    attributes: { 'task.status': 'completed' }
  }])
})

t.test('a span is named after the kind of its task, or its name', async t => {
  const app = await tracedApp(t)
  await app.ready()

  app.addTask(() => {}, { name: 'one', kind: 'report' })
  app.addTask(() => {}, { name: 'two' })
  app.addTask(() => {})

  t.strictSame(spanNames(), ['task report', 'task two', 'task'])
})

t.test('the span of a failed task has its error', async t => {
  const app = await tracedApp(t)
  await app.ready()

  app.addTask(() => { throw new TypeError('not a function') }, { kind: 'report' })

  t.match(exporter.getFinishedSpans(), [{
    name: 'task report',
    attributes: { 'task.status': 'failed' },
    status: { code: SpanStatusCode.ERROR },
    events: [{
      name: 'exception',
      attributes: {
        'exception.type': 'TypeError',
        'exception.message': 'not a function',
        'exception.stacktrace': /recipe-tracing/
      }
    }]
  }])
})

t.test('a task that threw a value other than an error has a span', async t => {
  const app = await tracedApp(t)
  await app.ready()

  app.addTask(() => Promise.reject()) // eslint-disable-line prefer-promise-reject-errors
  await app.tasks.idle()

  t.match(exporter.getFinishedSpans(), [{
    status: { code: SpanStatusCode.ERROR },
    events: [{ attributes: { 'exception.message': 'undefined' } }]
  }])
})

t.test('a task that was cancelled before it ran has a span of its own', async t => {
  const app = await tracedApp(t)
  const task = app.addTask(() => t.fail('it ran'), { name: 'warm-up' })

  await tracer.startActiveSpan('cancel', async span => {
    await task.cancel()
    span.end()
  })

  const span = exporter.getFinishedSpans().find(span => span.name === 'task warm-up')
  t.match(span, {
    parentSpanContext: undefined,
    attributes: { 'task.id': 1, 'task.name': 'warm-up', 'task.status': 'cancelled' },
    status: { code: SpanStatusCode.UNSET },
    startTime: [Math.floor(task.createdAt / 1000), task.createdAt % 1000 * 1_000_000]
  })
})

t.test('tasks that end while the app closes have spans, and later ones have none', async t => {
  const app = await tracedApp(t)
  await app.ready()
  app.addTask(untilAborted, { kind: 'receiver' })

  await app.close()
  t.match(exporter.getFinishedSpans(), [{ name: 'task receiver', attributes: { 'task.status': 'cancelled' } }])

  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(tasks)
  await other.ready()
  other.addTask(() => {})
  t.strictSame(spanNames(), ['task receiver'])
})

t.test('a task has one span, however many apps of the process are traced', async t => {
  const first = await tracedApp(t)
  const second = await tracedApp(t)
  await second.ready()

  second.addTask(() => {}, { kind: 'report' })
  t.strictSame(spanNames(), ['task report'])

  await first.close()
  second.addTask(() => {}, { kind: 'report' })
  t.strictSame(spanNames(), ['task report', 'task report'], 'and still has when one of them has closed')
})
