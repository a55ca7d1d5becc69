import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import openapiTypescript, { astToString } from 'openapi-typescript'
import t, { type Test } from 'tap'
import tasks, { taskStateSchema, type Task, type TaskWork } from '../../index.ts'
import { deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'

t.beforeEach(holdProcess)

const ref = { $ref: 'TaskState#' }
const other = { type: 'object', properties: { notATask: { type: 'boolean' } }, required: ['notATask'] }

/** The schemas under which a task is a valid reply, and how it is replied with under each. */
const schemas: Record<string, { schema: object, reply?: (task: Task, app: FastifyInstance) => unknown, task?: (body: any) => unknown }> = {
  alone: { schema: taskStateSchema },
  'in an array': { schema: { type: 'array', items: taskStateSchema }, reply: task => [task, task], task: ([, second]) => second },
  'as a property': { schema: { type: 'object', properties: { task: taskStateSchema } }, reply: task => ({ task }), task: ({ task }) => task },
  'under anyOf': { schema: { anyOf: [taskStateSchema, other] } },
  'under anyOf, last': { schema: { anyOf: [other, taskStateSchema] } },
  'under oneOf': { schema: { oneOf: [other, taskStateSchema] } },
  'in an array under anyOf': { schema: { type: 'array', items: { anyOf: [other, taskStateSchema] } }, reply: task => [task], task: ([task]) => task },
  'under anyOf with null': { schema: { anyOf: [{ type: 'null' }, taskStateSchema] } },
  'by $ref': { schema: ref },
  'by $ref in an array': { schema: { type: 'array', items: ref }, reply: task => [task], task: ([task]) => task },
  'by $ref under anyOf': { schema: { anyOf: [other, ref] } },
  'as all tasks': { schema: { type: 'array', items: taskStateSchema }, reply: (_task, app) => [...app.tasks], task: (all: any[]) => all[0] }
}

/** Tasks in every state, with errors and progress of every kind. */
const works: Record<string, { work: TaskWork<unknown>, options?: object, then?: (task: Task) => unknown }> = {
  running: { work: deaf },
  'running, unnamed': { work: deaf, options: { name: undefined } },
  'running, of no kind': { work: deaf() },
  'cancelled before it was added': { work: deaf, options: { signal: AbortSignal.abort('gone') } },
  cancelling: { work: deaf, then: task => task.cancel({ timeout: 0 }).catch(() => {}) },
  cancelled: { work: untilAborted, then: task => task.cancel() },
  completed: { work: () => 'secret result' },
  failed: { work: () => { throw Object.assign(new TypeError('broken'), { code: 'E_BROKEN' }) } },
  'failed with a number as code': { work: () => { throw Object.assign(new Error('broken'), { code: 5 }) } },
  'failed with a string': { work: () => { throw 'broken' } }, // eslint-disable-line no-throw-literal
  'failed with null': { work: () => { throw null } }, // eslint-disable-line no-throw-literal
  'failed with undefined': { work: () => { throw undefined } }, // eslint-disable-line no-throw-literal
  'failed with an object': { work: () => { throw { message: 5, name: {}, code: [] } } }, // eslint-disable-line no-throw-literal
  'failed with an array': { work: () => { throw [1, 2] } }, // eslint-disable-line no-throw-literal
  'failed with a function': { work: () => { throw () => {} } }, // eslint-disable-line no-throw-literal
  'failed with an object that has an odd code': { work: () => { throw Object.assign(new Error('broken'), { code: { of: 1 } }) } },
  'timed out': { work: untilAborted, options: { timeout: 1 }, then: task => task.finished.catch(() => {}) },
  'with progress that is a number': { work: deaf, then: task => { task.progress = 0.5 } },
  'with progress that is an object': { work: deaf, then: task => { task.progress = { done: 1, total: [2], what: null } } },
  'with progress that is a list': { work: deaf, then: task => { task.progress = [1, 'two', null] } },
  'with progress that is null': { work: deaf, then: task => { task.progress = null } },
  'with progress that is false': { work: deaf, then: task => { task.progress = false } }
}

async function buildApp (t: Test) {
  const app = Fastify({ ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } })
  t.teardown(() => app.close())
  await app.register(tasks, { cancelTimeout: 0, onError () {} })
  app.addSchema({ $id: 'TaskState', ...taskStateSchema })
  return app
}

async function add (app: FastifyInstance, { work, options, then }: typeof works[string]) {
  const task = app.addTask(work, { name: 'task', ...options })
  await then?.(task)
  return task
}

for (const [where, { schema, reply, task: pick }] of Object.entries(schemas)) {
  t.test(`a task is a valid reply under taskStateSchema ${where}`, async t => {
    const app = await buildApp(t)
    let task: Task | undefined
    app.get('/', { schema: { response: { 200: schema } } }, async () => reply === undefined ? task : reply(task!, app))
    await app.ready()
    for (const [state, what] of Object.entries(works)) {
      if (state === 'cancelled before it was added' && where === 'as all tasks') continue
      task = await add(app, what)
      const response = await app.inject('/')
      t.equal(response.statusCode, 200, `${state}: ${response.body}`)
      const body = response.json()
      t.same(pick === undefined ? body : pick(body), JSON.parse(JSON.stringify(task)), state)
      task.cancel()
      if (task.settled) app.purgeTasks()
      else await task[Symbol.asyncDispose]().catch(() => {})
    }
  })
}

t.test('the JSON of a task in every state is valid under taskStateSchema', async t => {
  const app = await buildApp(t)
  app.post('/', { schema: { body: taskStateSchema } }, async () => 'valid')
  await app.ready()
  for (const [state, what] of Object.entries(works)) {
    const task = await add(app, what)
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/', payload: JSON.parse(JSON.stringify(task)) })
    t.equal(statusCode, 200, `${state}: ${body}`)
    await task[Symbol.asyncDispose]().catch(() => {})
  }
})

t.test('a value that is no state is not valid under taskStateSchema', async t => {
  const app = await buildApp(t)
  app.post('/', { schema: { body: taskStateSchema } }, async () => 'valid')
  await app.ready()
  const state = JSON.parse(JSON.stringify(app.addTask(deaf, { name: 'task' })))
  for (const wrong of [{}, { ...state, id: 'one' }, { ...state, status: 'done' }, { ...state, status: undefined }, { ...state, createdAt: undefined }, { ...state, name: 5 }]) {
    t.equal((await app.inject({ method: 'POST', url: '/', payload: wrong })).statusCode, 400, JSON.stringify(wrong))
  }
})

t.test('the schema names every part of a state, and no more', async t => {
  const app = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => { throw new Error('broken') })
  const state = task.toJSON()
  t.strictSame(Object.keys(taskStateSchema.properties), Object.keys(state))
  const { anyOf: [error] } = taskStateSchema.properties.error as unknown as { anyOf: [{ properties: object }] }
  t.strictSame(Object.keys(error.properties), Object.keys(state.error!))
})

t.test('the schema is on the page of @fastify/swagger', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, {
    openapi: { openapi: '3.1.0' },
    refResolver: { buildLocalReference: (json, _baseUri, _fragment, i) => typeof json['$id'] === 'string' ? json['$id'] : `def-${i}` }
  })
  await app.register(tasks)
  app.addSchema({ $id: 'TaskState', ...taskStateSchema })
  const handler = async () => app.getTask('task')
  app.get('/inline', { schema: { response: { 200: taskStateSchema } } }, handler)
  app.get('/list', { schema: { response: { 200: { type: 'array', items: taskStateSchema } } } }, handler)
  app.get('/ref', { schema: { response: { 200: { description: 'a task', ...ref } } } }, handler)
  await app.ready()

  const document: any = app.swagger()
  const response = (path: string) => document.paths[path].get.responses[200].content['application/json'].schema
  const expected = JSON.parse(JSON.stringify(taskStateSchema))
  t.match(response('/inline'), expected)
  t.match(response('/list'), { type: 'array', items: expected })
  t.strictSame(response('/ref'), { $ref: '#/components/schemas/TaskState' })
  t.match(document.components.schemas.TaskState, expected)
  t.strictSame(response('/inline').properties.status.enum, ['deferred', 'running', 'cancelling', 'completed', 'failed', 'cancelled'])
})

t.test('without strictTypes nothing is printed about the schema, and a task is a valid reply under it', async t => {
  const printed = t.capture(console, 'warn')
  const app = Fastify({ serializerOpts: { ajv: { strictTypes: false } } })
  t.teardown(() => app.close())
  await app.register(tasks, { onError () {} })
  const fail = () => { throw 'broken' } // eslint-disable-line no-throw-literal
  app.get('/one', { schema: { response: { 200: taskStateSchema } } }, async () => app.addTask(fail))
  app.get('/any', { schema: { response: { 200: { anyOf: [other, taskStateSchema] } } } }, async () => app.addTask(fail))
  for (const url of ['/one', '/any']) t.match((await app.inject(url)).json(), { status: 'failed', error: { name: 'Error', message: 'broken' } })
  t.strictSame(printed().map(({ args }) => args), [])
})

t.test('Fastify and its plugins do not change the schema', async t => {
  const before = JSON.stringify(taskStateSchema)
  const app = await buildApp(t)
  app.get('/', { schema: { response: { 200: taskStateSchema } } }, async () => app.addTask(deaf))
  t.equal((await app.inject('/')).statusCode, 200)
  t.equal(JSON.stringify(taskStateSchema), before)
})

for (const version of ['3.0.3', '3.1.0']) {
  t.test(`a client that is generated from a document of OpenAPI ${version} has types for times and errors`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(swagger, { openapi: { openapi: version } })
    await app.register(tasks)
    app.get('/one', { schema: { response: { 200: taskStateSchema } } }, async () => app.getTask('task'))
    app.get('/list', { schema: { response: { 200: { type: 'array', items: taskStateSchema } } } }, async () => [...app.tasks])
    app.get('/any', { schema: { response: { 200: { anyOf: [taskStateSchema, { type: 'null' }] } } } }, async () => app.getTask('task'))
    await app.ready()

    const types = astToString(await openapiTypescript(app.swagger() as never)).replace(/\/\*.*?\*\//gs, '').replace(/\s+/g, ' ')
    const state = /\{ id: number; name\?: string; kind\?: string; status: ("\w+"( \| )?)+; progress\?: unknown; createdAt: string \| number; startedAt\?: string \| number; settledAt\?: string \| number; error\?: \{ name: string; message: string; code\?: string \| number; \} \| Record<string, never>; \}/g
    t.equal(types.match(state)?.length, 3, types)
  })
}
