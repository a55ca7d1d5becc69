import { setTimeout as sleep } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { program, register, setUpOpenTelemetry } from '../../examples/bullmq-otel.ts'
import { onEveryServer } from '../cluster/fixtures/engines.ts'

const exporter = new InMemorySpanExporter()
setUpOpenTelemetry(exporter)
const tracer = trace.getTracer('test')

/** A span ends after what it led to: the run's after its task has settled. */
async function untilEnded (name: string, traceId: string) {
  while (!exporter.getFinishedSpans().some(span => span.name === name && span.spanContext().traceId === traceId)) await sleep(20)
}

async function build (t: Test, connection: string, work: boolean) {
  const app = Fastify()
  t.teardown(() => app.close())
  await register(app, { connection, work, prefix: `otel-${process.pid}` })
  const reports = app.cluster.defineTask('report', async () => tracer.startActiveSpan('in the work', span => span.end()))
  await app.ready()
  return reports
}

onEveryServer(t, (t, engine) => {
  t.test('the spans of a run are in the trace that its task was added in', async t => {
    const web = await build(t, engine.connection!, false)
    await build(t, engine.connection!, true)

    const traceId = await tracer.startActiveSpan('request', async span => {
      const task = await web.addTask()
      await task.finished
      span.end()
      return span.spanContext().traceId
    })

    await untilEnded('process report', traceId)
    const inTrace = exporter.getFinishedSpans().filter(span => span.spanContext().traceId === traceId)
    const byId = new Map(inTrace.map(span => [span.spanContext().spanId, span]))
    const work = inTrace.find(({ name }) => name === 'in the work')!
    const ancestors = []
    for (let span = byId.get(work.parentSpanContext?.spanId ?? ''); span !== undefined; span = byId.get(span.parentSpanContext?.spanId ?? '')) ancestors.push(span.name)
    t.equal(ancestors.at(-1), 'request')
    t.ok(ancestors.includes('process report'), ancestors.join())
  })

  t.test('the program starts, takes a task and closes', async t => {
    process.env.TASKS_URL = engine.connection!
    t.teardown(() => { delete process.env.TASKS_URL })
    const app = Fastify()
    await program(app)
    await app.ready()
    t.equal((await app.inject({ method: 'POST', url: '/deliveries' })).statusCode, 202)
    await app.cluster.getKind('delivery').idle()
    await app.close()
  })
})
