import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import tasks, { taskStateSchema } from '../../index.ts'
import cluster, { clusterTaskStateSchema } from '../../lib/cluster/index.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a task is a reply under the schema: alone, in a list, in anyOf, with all that its state has', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`schema ${process.pid}`, (_app, { data }: any) => {
      if (data === 'bad') throw Object.assign(new Error('failed'), { code: 'E_BAD', statusCode: 422 })
    }, { attempts: 2 })
    const schema = clusterTaskStateSchema
    app.get('/one/:name', { schema: { response: { 200: schema } } }, async request => kind.getTask((request.params as any).name))
    app.get('/list', { schema: { response: { 200: { type: 'array', items: schema } } } }, async () => kind.tasks())
    app.get('/any/:name', { schema: { response: { 200: { anyOf: [schema, { type: 'null' }] } } } }, async request => kind.getTask((request.params as any).name))
    app.post('/', { schema: { body: schema } }, async () => 'valid')
    await app.ready()
    await kind.addTasks([{ name: 'good', data: 'good' }, { name: 'bad', data: 'bad' }, { name: 'delayed', data: 'good', delay: 60_000 }])
    for (const name of ['good', 'bad']) await (await kind.getTask(name)).finished.catch(() => {})
    for (const name of ['good', 'bad', 'delayed']) {
      const expected = JSON.parse(JSON.stringify(await kind.getTask(name)))
      t.strictSame((await app.inject(`/one/${name}`)).json(), expected, name)
      t.strictSame((await app.inject(`/any/${name}`)).json(), expected, name)
      t.strictSame((await app.inject('/list')).json().find((state: any) => state.name === name), expected, name)
      t.equal((await app.inject({ method: 'POST', url: '/', payload: expected })).statusCode, 200, name)
      for (const wrong of [{ attempt: 'x' }, { attempts: {} }, { worker: {} }, { status: 'done' }, { startsAt: {} }]) {
        t.equal((await app.inject({ method: 'POST', url: '/', payload: { ...expected, ...wrong } })).statusCode, 400)
      }
    }
    t.match((await app.inject('/one/bad')).json(), { attempt: 2, attempts: [{ attempt: 1, error: { code: 'E_BAD' } }, { attempt: 2 }], worker: { pid: process.pid } })
    t.strictSame(Object.keys((await app.inject('/one/bad')).json().error), ['name', 'message', 'code'])
    await kind.cancelTask('delayed')
  })

  t.test('the schema has every property of a state, and no more', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`parts ${process.pid}`, () => {})
    await app.ready()
    const task = await kind.addTask(1)
    await task.finished
    t.strictSame(Object.keys(clusterTaskStateSchema.properties).sort(), Object.keys(task.toJSON()).sort())
    const { items } = clusterTaskStateSchema.properties.attempts as unknown as { items: { properties: object } }
    t.strictSame(Object.keys(items.properties).sort(), Object.keys(task.toJSON().attempts[0]!).sort())
  })

  t.test('an error that work throws keeps its HTTP status in other processes', async t => {
    const { app } = await buildApp(t, engine)
    const hostile = { get statusCode () { throw new Error('no') } }
    const kind = app.cluster.defineTask(`status ${process.pid}`, (_app, { data }: any) => {
      throw data === 'hostile' ? hostile : Object.assign(new Error('bad input'), data)
    })
    app.post('/', async request => (await kind.addTask(request.body)).finished)
    await app.ready()
    const status = async (payload: any) => (await app.inject({ method: 'POST', url: '/', payload })).statusCode
    t.equal(await status({ statusCode: 422 }), 422)
    t.equal(await status({ status: 409 }), 409)
    for (const none of [{}, { statusCode: 200 }, { statusCode: 600 }, { statusCode: 'x' }, { statusCode: 422.5 }]) t.equal(await status(none), 500)
    const task = await kind.addTask({ statusCode: 422 }, { name: 'read later' })
    await task.finished.catch(() => {})
    t.match((await kind.getTask('read later')).error, { message: 'bad input', statusCode: 422 })
    await (await kind.addTask('hostile', { name: 'hostile' })).finished.catch(() => {})
    t.match((await kind.getTask('hostile')).error, { statusCode: undefined })
  })
})

t.test('the schema is on the page of @fastify/swagger', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { openapi: '3.1.0' } })
  await app.register(tasks)
  await app.register(cluster)
  const kind = app.cluster.defineTask('report', () => {})
  const before = JSON.stringify(clusterTaskStateSchema)
  app.get('/', { schema: { response: { 200: clusterTaskStateSchema } } }, async () => kind.getTask('a'))
  await app.ready()
  const document: any = app.swagger()
  const { schema } = document.paths['/'].get.responses[200].content['application/json']
  t.match(schema, JSON.parse(before))
  t.equal(JSON.stringify(clusterTaskStateSchema), before, 'its users do not change it')
  for (const property of Object.keys(taskStateSchema.properties)) t.ok(schema.properties[property], property)
})
