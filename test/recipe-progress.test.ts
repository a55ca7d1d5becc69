import { EventEmitter, on, once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import progress from '../examples/progress.ts'
import type { TaskState } from '../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'

async function listeningApp (t: Test, options = {}) {
  const { app, lines } = await buildApp(t)
  const handlers = new EventEmitter()
  app.addHook('onRoute', route => {
    const { handler } = route
    route.handler = async function (request, reply) {
      try {
        return await handler.call(this, request, reply)
      } finally {
        handlers.emit('end')
      }
    }
  })
  await app.register(progress, options)
  const url = await app.listen()

  async function request (name: string): Promise<IncomingMessage> {
    const [response] = await once(get(`${url}/reports/${name}/progress`), 'response')
    return response.setEncoding('utf8')
  }

  /** The states that are streamed of a report. Who leaves the loop over them closes the connection. */
  async function * states (name: string): AsyncGenerator<TaskState> {
    const response = await request(name)
    t.match(response.headers, { 'content-type': 'text/event-stream', connection: 'close' })
    let text = ''
    for await (const chunk of response) {
      const events = (text + chunk).split('\n\n')
      text = events.pop()!
      for (const event of events) yield JSON.parse(event.slice('data: '.length))
    }
  }

  return { app, lines, handlers, request, states }
}

t.test('every change of a task is streamed until it has settled', async t => {
  const { app, states } = await listeningApp(t, { interval: 1 })
  const steps = new EventEmitter()
  app.addTask(async (app, task) => {
    for await (const [percent] of on(steps, 'step', { close: ['done'] })) task.progress = { percent }
    return 'never streamed'
  }, { name: 'sales' })

  const seen = []
  for await (const { status, progress } of states('sales')) {
    seen.push({ status, progress })
    if (seen.length === 1) steps.emit('step', 50)
    else if (seen.length === 2) steps.emit('done')
  }

  t.strictSame(seen, [
    { status: 'running', progress: undefined },
    { status: 'running', progress: { percent: 50 } },
    { status: 'completed', progress: { percent: 50 } }
  ])
})

t.test('a settled task has one state to stream', async t => {
  const { app, states } = await listeningApp(t)
  app.addTask(() => { throw new Error('no data') }, { name: 'sales' })

  const seen = []
  for await (const state of states('sales')) seen.push(state)

  t.match(seen, [{ name: 'sales', status: 'failed', error: { message: 'no data' } }])
})

t.test('an unknown report is a 404', async t => {
  const { request } = await listeningApp(t)

  const response = await request('none')

  t.equal(response.statusCode, 404)
  t.match(await json(response), { code: 'FST_ERR_TASK_NOT_FOUND' })
})

t.test('the stream ends when its client goes, and the task goes on', async t => {
  const { app, lines, handlers, states } = await listeningApp(t, { interval: 1 })
  const task = app.addTask(untilAborted, { name: 'sales' })

  const stream = states('sales')
  t.match(await stream.next(), { value: { status: 'running' } })
  const end = once(handlers, 'end')
  await stream.return(undefined)
  await end

  t.equal(task.status, 'running')
  await app.close()
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('an open stream does not hold an app that closes', async t => {
  const { app, lines, states } = await listeningApp(t, { interval: 1 })
  const task = app.addTask(untilAborted, { name: 'sales' })

  for await (const state of states('sales')) {
    t.equal(state.status, 'running')
    await app.close()
  }

  t.equal(task.status, 'cancelled')
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})
