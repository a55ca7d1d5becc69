import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { taskStateSchema, type FastifyTasksOptions } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'

/** A server with the routes of a user who handles no error. */
async function listen (t: Test, options: FastifyTasksOptions = {}, moreRoutes = (_app: FastifyInstance) => {}) {
  const { app, lines } = await buildApp(t, options)
  app.post<{ Params: { name: string } }>('/reports/:name', async (request, reply) => {
    return reply.code(202).send(app.addTask(untilAborted, { name: request.params.name }))
  })
  app.get<{ Params: { name: string } }>('/reports/:name', async request => app.getTask(request.params.name))
  app.delete<{ Params: { name: string } }>('/reports/:name', async (request, reply) => {
    await app.cancelTask(request.params.name)
    reply.code(204)
  })
  moreRoutes(app)
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, lines, request: (method: string, path: string) => fetch(address + path, { method }) }
}

t.test('a handler that sends the task it has added replies with its state', async t => {
  const { app, request } = await listen(t)
  const response = await request('POST', '/reports/a')
  t.equal(response.status, 202)
  t.match(response.headers.get('content-type'), /^application\/json/)
  const task = app.getTask('a')
  t.same(await response.json(), {
    id: task.id,
    name: 'a',
    kind: 'untilAborted',
    status: 'running',
    createdAt: new Date(task.createdAt).toISOString(),
    startedAt: new Date(task.startedAt!).toISOString()
  })
  t.equal(task.status, 'running', 'it outlives the request')
})

t.test('a handler that returns a running task replies with its state at once', async t => {
  const { app, request } = await listen(t)
  const task = app.addTask(untilAborted, { name: 'a' })
  task.progress = { percent: 40 }
  const response = await request('GET', '/reports/a')
  t.equal(response.status, 200)
  t.match(await response.json(), { id: task.id, name: 'a', status: 'running', progress: { percent: 40 } })
  t.equal(task.settled, false)
})

t.test('a handler that returns a settled task replies with its state, without its result', async t => {
  const { app, request } = await listen(t)
  app.addTask(() => 'the result', { name: 'completed' })
  app.addTask(() => { throw Object.assign(new Error('boom'), { code: 'E_BOOM', statusCode: 418 }) }, { name: 'failed' })
  const completed = await request('GET', '/reports/completed')
  t.equal(completed.status, 200)
  const body = await completed.text()
  t.equal(JSON.parse(body).status, 'completed')
  t.notMatch(body, /the result/)
  const failed = await request('GET', '/reports/failed')
  t.equal(failed.status, 200, 'the request is fine, the task is not')
  const state: any = await failed.json()
  t.equal(state.status, 'failed')
  t.same(state.error, { name: 'Error', message: 'boom', code: 'E_BOOM' })
})

t.test('an unknown task is 404', async t => {
  const { request } = await listen(t)
  for (const method of ['GET', 'DELETE']) {
    const response = await request(method, '/reports/unknown')
    t.equal(response.status, 404)
    t.match(await response.json(), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND', error: 'Not Found', message: /"unknown"/ })
  }
})

t.test('a task whose name is taken is 409', async t => {
  const { app, request } = await listen(t)
  await request('POST', '/reports/a')
  const response = await request('POST', '/reports/a')
  t.equal(response.status, 409)
  t.match(await response.json(), { statusCode: 409, code: 'FST_ERR_TASK_DUPLICATE_NAME', error: 'Conflict', message: /"a"/ })
  t.equal(app.tasks.size, 1)
})

t.test('a task beyond maxTasks is 503', async t => {
  const { request } = await listen(t, { maxTasks: 1 })
  await request('POST', '/reports/a')
  const response = await request('POST', '/reports/b')
  t.equal(response.status, 503)
  t.match(await response.json(), { statusCode: 503, code: 'FST_ERR_TASK_LIMIT', error: 'Service Unavailable', message: /"b"/ })
})

t.test('a task for an app that has closed is 503', async t => {
  const { app: worker } = await buildApp(t)
  await worker.ready()
  await worker.close()
  const { request } = await listen(t, {}, app => {
    app.post('/elsewhere', async () => worker.addTask(untilAborted, { name: 'a' }))
  })
  const response = await request('POST', '/elsewhere')
  t.equal(response.status, 503)
  t.match(await response.json(), { statusCode: 503, code: 'FST_ERR_TASK_CLOSED', error: 'Service Unavailable', message: /"a"/ })
})

t.test('a cancellation that takes too long is 504', async t => {
  const { app, request } = await listen(t, { cancelTimeout: 5 })
  const task = app.addTask(deaf, { name: 'a' })
  const response = await request('DELETE', '/reports/a')
  t.equal(response.status, 504)
  t.match(await response.json(), { statusCode: 504, code: 'FST_ERR_TASK_CANCEL_TIMEOUT', error: 'Gateway Timeout', message: /"a"/ })
  t.equal(task.status, 'cancelling')
  t.match(await (await request('GET', '/reports/a')).json(), { status: 'cancelling' }, 'which is the truth')
})

t.test('a task that a handler waits for and that times out is 504', async t => {
  const { request } = await listen(t, {}, app => {
    app.get('/slow', async () => app.addTask(untilAborted, { name: 'a', timeout: 5 }).finished)
  })
  const response = await request('GET', '/slow')
  t.equal(response.status, 504)
  t.match(await response.json(), { statusCode: 504, code: 'FST_ERR_TASK_TIMEOUT', error: 'Gateway Timeout', message: /"a"/ })
})

t.test('a task with a bad option is 500', async t => {
  const { request } = await listen(t, {}, app => {
    app.post('/bad', async () => app.addTask(untilAborted, { timeout: -1 }))
  })
  const response = await request('POST', '/bad')
  t.equal(response.status, 500)
  t.match(await response.json(), { statusCode: 500, code: 'FST_ERR_TASK_INVALID_OPTION' })
})

t.test('a handler that waits for a task replies with its result', async t => {
  const { request } = await listen(t, {}, app => {
    app.get('/quick', async () => app.addTask(async () => ({ rows: 5 })).finished)
  })
  const response = await request('GET', '/quick')
  t.equal(response.status, 200)
  t.same(await response.json(), { rows: 5 })
})

t.test('a request that cancels a task is answered with 204 once the task has settled', async t => {
  const { app, request } = await listen(t)
  await request('POST', '/reports/a')
  const response = await request('DELETE', '/reports/a')
  t.equal(response.status, 204)
  t.equal(await response.text(), '')
  t.equal(app.getTask('a').status, 'cancelled')
  t.equal((await request('DELETE', '/reports/a')).status, 204, 'and again')
  const state = await (await request('GET', '/reports/a')).json()
  t.match(state, { status: 'cancelled', error: { name: 'AbortError' } })
})

t.test('the reply of app.tasks is the array of the states', async t => {
  const { app, request } = await listen(t, {}, app => {
    app.get('/spread', async () => [...app.tasks])
    app.get('/tasks', async () => app.tasks)
    app.get('/sent', (_request, reply) => { reply.send(app.tasks) })
  })
  app.addTask(untilAborted)
  app.addTask(() => 'done', { name: 'b' })
  const states = JSON.parse(JSON.stringify(app.tasks))
  t.equal(states.length, 2)
  for (const path of ['/spread', '/tasks', '/sent']) {
    const response = await request('GET', path)
    t.match(response.headers.get('content-type'), /^application\/json/)
    t.same(await response.json(), states)
  }
})

const stateSchema = {
  type: 'object',
  required: ['id', 'status'],
  properties: {
    id: { type: 'integer' },
    name: { type: 'string' },
    status: { type: 'string' },
    startedAt: { type: 'string', format: 'date-time' },
    error: { type: 'object', properties: { message: { type: 'string' } } }
  }
}

t.test('a response schema picks from the state of a task', async t => {
  const { app, request } = await listen(t, {}, app => {
    app.get<{ Params: { name: string } }>('/picked/:name', { schema: { response: { 200: stateSchema } } }, async request => {
      return app.getTask(request.params.name)
    })
  })
  const running = app.addTask(untilAborted, { name: 'running' })
  const startedAt = new Date(running.startedAt!).toISOString()
  running.progress = 'left out'
  t.same(await (await request('GET', '/picked/running')).json(), { id: running.id, name: 'running', status: 'running', startedAt })
  const failed = app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  t.match(await (await request('GET', '/picked/failed')).json(), { id: failed.id, status: 'failed', error: { message: 'boom' } })
})

t.test('a response schema picks from the states of all tasks', async t => {
  const { app, request } = await listen(t, {}, app => {
    const schema = { response: { 200: { type: 'array', items: stateSchema } } }
    app.get('/spread', { schema }, async () => [...app.tasks])
    app.get('/tasks', { schema }, async () => app.tasks.toJSON())
  })
  const task = app.addTask(untilAborted)
  task.progress = 'left out'
  const expected = [{ id: task.id, status: 'running', startedAt: new Date(task.startedAt!).toISOString() }]
  t.same(await (await request('GET', '/spread')).json(), expected)
  t.same(await (await request('GET', '/tasks')).json(), expected)
})

for (const [what, schema] of Object.entries<object>({
  'an array of its own': { type: 'array', items: taskStateSchema },
  'anyOf an array': { anyOf: [{ type: 'array', items: taskStateSchema }, { type: 'null' }] },
  'a $ref': { $ref: 'List#' }
})) {
  t.test(`app.tasks is a valid reply under ${what}, and other replies are left as they are`, async t => {
    const { app } = await buildApp(t)
    app.addSchema({ $id: 'List', type: 'array', items: taskStateSchema })
    const seen: unknown[] = []
    const preSerialization = async (_request: unknown, _reply: unknown, payload: unknown) => { seen.push(Array.isArray(payload)); return payload }
    app.get('/one-hook', { schema: { response: { 200: schema } }, preSerialization }, async () => app.tasks)
    app.get('/hooks', { schema: { response: { 200: schema } }, preSerialization: [preSerialization] }, async () => app.tasks)
    app.get('/other', { schema: { response: { 200: schema } } }, async () => [...app.tasks])
    app.addTask(untilAborted, { name: 'report' })
    await app.ready()
    for (const path of ['/one-hook', '/hooks', '/other']) {
      const response = await app.inject(path)
      t.equal(response.statusCode, 200, response.body)
      t.match(response.json(), [{ name: 'report', status: 'running' }])
    }
    t.strictSame(seen, [true, true])
  })
}
