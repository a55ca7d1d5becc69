import { EventEmitter, on, once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import progress, { type ProgressOptions } from '../../examples/progress.ts'
import type { Task, TaskState } from '../../index.ts'
import { buildApp } from '../core/fixtures/app.ts'

/** An app whose reports go on and end as `steps` says. */
async function listeningApp (t: Test, options: Omit<ProgressOptions, 'build'> = { interval: 0 }) {
  const { app, lines } = await buildApp(t)
  const steps = new EventEmitter()
  async function * build (app: FastifyInstance, { signal }: Task) {
    for await (const [done] of on(steps, 'step', { signal, close: ['done'] })) yield { done, total: 100 }
    return 'never streamed'
  }
  await app.register(progress, { build, ...options })
  const url = await app.listen()

  async function addReport (): Promise<string> {
    const { name } = (await app.inject({ method: 'POST', url: '/reports' })).json<TaskState>()
    return name!
  }

  async function request (path: string): Promise<IncomingMessage> {
    const [response] = await once(get(url + path), 'response')
    return response.setEncoding('utf8')
  }

  /** The states that are streamed of a report. Who leaves the loop over them closes the connection. */
  async function * states (name: string): AsyncGenerator<TaskState> {
    const response = await request(`${name}/progress`)
    t.match(response.headers, { 'content-type': 'text/event-stream', connection: 'close' })
    let text = ''
    for await (const chunk of response) {
      const events = (text + chunk).split('\n\n')
      text = events.pop()!
      for (const event of events) yield JSON.parse(event.slice('data: '.length))
    }
  }

  return { app, lines, steps, addReport, request, states }
}

t.test('every change of a task is streamed until it has settled', async t => {
  const { steps, addReport, states } = await listeningApp(t)

  const seen = []
  for await (const { status, progress } of states(await addReport())) {
    seen.push({ status, progress })
    if (seen.length === 1) steps.emit('step', 50)
    else if (seen.length === 2) steps.emit('done')
  }

  t.strictSame(seen, [
    { status: 'running', progress: undefined },
    { status: 'running', progress: { done: 50, total: 100 } },
    { status: 'completed', progress: { done: 50, total: 100 } }
  ])
})

t.test('at most one state is streamed in an interval, and the settled one always', async t => {
  const { app, steps, addReport, states } = await listeningApp(t, { interval: 600_000 })
  const name = await addReport()

  const seen = []
  for await (const { status, progress } of states(name)) {
    seen.push({ status, progress })
    if (seen.length > 1) continue
    for (const done of [1, 2, 3]) steps.emit('step', done)
    while ((app.getTask(name).progress as { done: number } | undefined)?.done !== 3) await nextTurn()
    steps.emit('done')
  }

  t.strictSame(seen, [{ status: 'running', progress: undefined }, { status: 'completed', progress: { done: 3, total: 100 } }])
})

t.test('a stream without news has a heartbeat', async t => {
  const { steps, addReport, request } = await listeningApp(t, { heartbeat: 5 })
  const response = await request(`${await addReport()}/progress`)
  let text = ''
  for await (const chunk of response) {
    text += chunk
    if (/(: heartbeat\n\n){3}/.test(text)) steps.emit('done')
  }
  t.match(text, /^data: .*\n\n(: heartbeat\n\n)+data: .*"completed".*\n\n/)
})

t.test('a settled task has one state to stream', async t => {
  const { app, steps, addReport, states } = await listeningApp(t)
  const name = await addReport()
  steps.emit('done')
  await app.tasks.idle()

  const seen = []
  for await (const state of states(name)) seen.push(state)

  t.match(seen, [{ name, kind: 'report', status: 'completed' }])
})

t.test('an unknown report is a 404', async t => {
  const { request } = await listeningApp(t)

  const response = await request('/reports/none/progress')

  t.equal(response.statusCode, 404)
  t.match(await json(response), { code: 'FST_ERR_TASK_NOT_FOUND' })
})

t.test('a task of another route is a 404', async t => {
  const { app, request } = await listeningApp(t)
  app.addTask(() => {}, { name: 'secret' })

  t.equal((await request('/reports/secret/progress')).statusCode, 404)
})

t.test('the stream ends when its client goes, and the task goes on', async t => {
  const { app, lines, addReport, states } = await listeningApp(t)
  const name = await addReport()
  const closed = once(app.server, 'connection').then(([socket]) => once(socket, 'close'))

  const stream = states(name)
  t.match(await stream.next(), { value: { status: 'running' } })
  await stream.return(undefined)
  await closed

  t.equal(app.getTask(name).status, 'running')
  await app.close()
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('an open stream does not delay an app that closes', async t => {
  const { app, lines, addReport, states } = await listeningApp(t)
  const name = await addReport()
  const task = app.getTask(name)

  for await (const state of states(name)) {
    t.equal(state.status, 'running')
    await app.close()
  }

  t.equal(task.status, 'cancelled')
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('the page asks for its own report', async t => {
  const { app, request } = await listeningApp(t)

  const response = await request('/')

  t.match(response.headers, { 'content-type': /^text\/html/ })
  t.match((await app.inject('/')).body, "fetch('/reports'")
})

t.test('two plugins in one app have names and pages of their own', async t => {
  const { app } = await buildApp(t)
  const options: ProgressOptions = { async * build () {} }
  await app.register(progress, { prefix: '/a', ...options })
  await app.register(progress, { prefix: '/b', ...options })

  for (const prefix of ['/a', '/b']) {
    t.equal((await app.inject({ method: 'POST', url: `${prefix}/reports` })).json<TaskState>().name, `${prefix}/reports/1`)
    t.match((await app.inject(prefix)).body, `fetch('${prefix}/reports'`)
  }
})
