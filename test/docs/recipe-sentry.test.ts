import * as Sentry from '@sentry/node'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { reportToSentry } from '../../examples/sentry.ts'
import tasks from '../../index.ts'
import { untilAborted } from '../core/fixtures/app.ts'

const events: Sentry.ErrorEvent[] = []

Sentry.init({
  dsn: 'https://public@sentry.test/1',
  defaultIntegrations: false,
  transport: options => Sentry.createTransport(options, async ({ body }) => {
    // An envelope is lines of JSON: its header, then a header and a payload for each item.
    const [, header, payload] = String(body).split('\n')
    if (JSON.parse(header!).type === 'event') events.push(JSON.parse(payload!))
    return {}
  })
})
t.teardown(() => Sentry.close())

async function reportingApp (t: Test) {
  events.length = 0
  const app = Fastify({ logger: { stream: { write () {} } } })
  t.teardown(() => app.close())
  await app.register(tasks, { onError: reportToSentry })
  await app.ready()
  return app
}

t.test('a task that fails is an event with its error, its kind and its state', async t => {
  const app = await reportingApp(t)

  app.addTask(() => { throw new TypeError('no data') }, { name: 'report:1', kind: 'report' })
  await Sentry.flush()

  t.match(events, [{
    exception: { values: [{ type: 'TypeError', value: 'no data' }] },
    tags: { 'task.kind': 'report' },
    contexts: { task: { id: 1, name: 'report:1', status: 'failed' } }
  }])
})

t.test('a task that completes or is cancelled sends no event', async t => {
  const app = await reportingApp(t)

  await app.addTask(async () => {}).finished
  await app.addTask(untilAborted).cancel()
  await Sentry.flush()

  t.strictSame(events, [])
})
