// An error that nobody would hear of is a warning of the process.
import { once } from 'node:events'
import { setImmediate as immediate } from 'node:timers/promises'
import Fastify, { type FastifyServerOptions } from 'fastify'
import t, { type Test } from 'tap'
import tasks, { type FastifyTasksOptions } from '../../index.ts'
import { untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'

t.beforeEach(holdProcess)

async function buildApp (t: Test, options: FastifyTasksOptions = {}, server: FastifyServerOptions = {}) {
  const app = Fastify(server)
  t.teardown(() => app.close())
  await app.register(tasks, options)
  await app.ready()
  const warnings: (Error & { code?: string, detail?: string })[] = []
  const onWarning = (warning: Error) => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  return { app, warnings }
}

/** Lets what is told in this turn and the next be told. */
async function told () {
  for (let i = 0; i < 3; i++) await immediate()
}

for (const [what, server] of Object.entries<FastifyServerOptions>({
  'no logger': {},
  'a silent logger': { logger: { level: 'silent' } },
  'a logger that throws': { logger: { stream: { write () { throw new Error('disk full') } } } }
})) {
  t.test(`with ${what} a failed task is a process warning with its stack`, async t => {
    const { app, warnings } = await buildApp(t, {}, server)
    const error = Object.assign(new TypeError('broken'), { code: 'E_BROKEN' })
    app.addTask(() => { throw error }, { name: 'report' })
    app.addTask(async () => { throw error })
    await told()
    t.match(warnings, [
      { name: 'FastifyTasksWarning', code: 'FST_TASK_FAILED', message: /task "report".*TypeError: broken/, detail: error.stack },
      { name: 'FastifyTasksWarning', code: 'FST_TASK_FAILED', message: /task 2.*TypeError: broken/, detail: error.stack }
    ])
    t.equal(warnings.length, 2)
  })
}

t.test('a failure raises no warning if finished was read', async t => {
  const { app, warnings } = await buildApp(t)
  app.addTask(() => { throw new Error('sync') }).finished.catch(() => {})
  await t.rejects(app.addTask(async () => { throw new Error('async') }).finished)
  const { finished } = app.addTask(() => immediate().then(() => { throw new Error('later') }))
  await finished.catch(() => {})
  await told()
  t.strictSame(warnings, [])
})

t.test('a failure raises no warning if the app has onError', async t => {
  const reported: unknown[] = []
  const { app, warnings } = await buildApp(t, { onError: error => { reported.push(error) } })
  app.addTask(() => { throw new Error('sync') })
  app.addTask(async () => { throw new Error('async') })
  await told()
  t.equal(reported.length, 2)
  t.strictSame(warnings, [])
})

t.test('a failure raises no warning if the app has a logger', async t => {
  const lines: string[] = []
  const { app, warnings } = await buildApp(t, {}, { logger: { level: 'error', stream: { write: line => { lines.push(line) } } } })
  app.addTask(() => { throw new Error('sync') })
  await told()
  t.equal(lines.length, 1)
  t.strictSame(warnings, [])
})

t.test('a failure raises no warning if the task has a logger of its own', async t => {
  const { app, warnings } = await buildApp(t)
  const lines: string[] = []
  const { log } = Fastify({ logger: { stream: { write: line => { lines.push(line) } } } })
  app.addTask(() => { throw new Error('sync') }, { log })
  await told()
  t.equal(lines.length, 1)
  t.strictSame(warnings, [])
})

t.test('what onError or onPurged throws is a warning if nothing logs it', async t => {
  const error = new Error('callback')
  const fail = async () => { throw error }
  const { app, warnings } = await buildApp(t, { onError: fail, onPurged: fail, maxSettled: 0 })
  app.addTask(() => { throw new Error('sync') }, { name: 'report' })
  await told()
  const warning = { name: 'FastifyTasksWarning', code: 'FST_TASK_LOST_ERROR', detail: error.stack }
  t.match(new Set(warnings), new Set([
    { ...warning, message: 'task "report": onError of a failed task threw: Error: callback' },
    { ...warning, message: 'task "report": onPurged of a task threw: Error: callback' }
  ]))
  t.equal(warnings.length, 2)
})

for (const [what, server] of Object.entries<FastifyServerOptions>({
  'no logger': {},
  'a logger that throws': { logger: { stream: { write () { throw new Error('disk full') } } } }
})) {
  t.test(`with ${what} the rejection of a promise that addTask did not take is a warning`, async t => {
    const { app, warnings } = await buildApp(t, {}, server)
    app.addTask(untilAborted, { name: 'report' })
    const error = new Error('late')
    t.throws(() => app.addTask(Promise.reject(error), { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    await told()
    t.match(warnings, [{
      name: 'FastifyTasksWarning', code: 'FST_TASK_LOST_ERROR', detail: error.stack, message: 'a promise that addTask did not take has rejected: Error: late'
    }])
    t.equal(warnings.length, 1)
  })
}

t.test('a completed or cancelled task raises no warning', async t => {
  const { app, warnings } = await buildApp(t)
  app.addTask(() => 'done')
  await app.addTask(untilAborted).cancel()
  app.addTask(untilAborted, { signal: AbortSignal.abort() })
  await told()
  t.strictSame(warnings, [])
})

t.test('a timeout raises a warning like any failure', async t => {
  const { app, warnings } = await buildApp(t)
  app.addTask(untilAborted, { timeout: 1 })
  await once(process, 'warning')
  t.match(warnings, [{ code: 'FST_TASK_FAILED', message: /timed out after 1 ms/ }])
})

t.test('the warning describes whatever was thrown', async t => {
  const { app, warnings } = await buildApp(t)
  const thrown: [unknown, RegExp][] = [
    ['text', /Error: text/],
    [undefined, /Error: undefined/],
    [null, /Error: null/],
    [Symbol('symbol'), /Symbol\(symbol\)/],
    [Object.create(null), /Error: /],
    [{ stack: Object.create(null), message: 'odd stack' }, /odd stack/],
    [{ message: 'no stack', get stack () { throw new Error('no') } }, /no stack/],
    [new Proxy({}, { get () { throw new Error('no') } }), /unreadable/]
  ]
  for (const [error, message] of thrown) {
    app.addTask(() => { throw error })
    await told()
    t.match(warnings.pop(), { code: 'FST_TASK_FAILED', message })
  }
  t.strictSame(warnings, [])
})
