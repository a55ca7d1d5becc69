// The app's own compilers, hooks, parsers and error handlers do not change what the dashboard's routes take and reply.
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import dashboard, { type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { compileSerializer } from '../../lib/dashboard/validator.ts'
import { closeAfter, untilAborted } from '../core/fixtures/app.ts'
import { getJson, watch } from './fixtures/dashboard.ts'

const refuse = () => { throw new Error('this app takes no schema') }

const apps: Record<string, { options?: FastifyServerOptions, prepare?: (app: FastifyInstance) => void }> = {
  'the compilers of zod': { prepare: app => app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler) },
  'the validator of TypeBox': { prepare: app => app.setValidatorCompiler(TypeBoxValidatorCompiler) },
  'compilers that throw': { prepare: app => app.setValidatorCompiler(refuse).setSerializerCompiler(refuse) },
  'factories of compilers that throw': {
    options: { schemaController: { compilersFactory: { buildValidator: () => refuse, buildSerializer: () => refuse } } }
  },
  'a schema of its own': { prepare: app => app.addSchema({ $id: 'own', type: 'object' }) },
  'a validator that coerces nothing': { options: { ajv: { customOptions: { coerceTypes: false, removeAdditional: false } } } },
  'a querystring parser that makes numbers': {
    options: {
      routerOptions: {
        querystringParser: text => Object.fromEntries(Array.from(new URLSearchParams(text), ([name, value]) => [name, value !== '' && !Number.isNaN(Number(value)) ? Number(value) : value]))
      }
    }
  },
  'a hook that wraps what it replies': { prepare: app => app.addHook('preSerialization', async (request, reply, payload) => ({ data: payload })) },
  'a serializer of replies': { prepare: app => app.setReplySerializer(payload => JSON.stringify({ data: payload })) },
  'a serializer that a hook sets on each reply': {
    prepare: app => app.addHook('onRequest', async (request, reply) => { reply.serializer((payload: unknown) => JSON.stringify({ data: payload })) })
  },
  'an error handler that hides what is wrong': { prepare: app => app.setErrorHandler(async (_error, request, reply) => reply.code(500).send({ oops: true })) },
  'a formatter of schema errors': { prepare: app => app.setSchemaErrorFormatter(() => Object.assign(new Error('bad input'), { statusCode: 422 })) }
}

async function start (t: Test, { options = {}, prepare = () => {} }: typeof apps[string], dashboardOptions: Partial<FastifyTasksDashboardOptions> = {}) {
  const app = Fastify(options)
  closeAfter(t, app)
  prepare(app)
  await app.register(tasks)
  await app.register(cluster, { drainTimeout: 10, cancelTimeout: 100 })
  const reports = app.cluster.defineTask('report', untilAborted)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false, interval: 20, ...dashboardOptions })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/admin/tasks`
  return { app, reports, url }
}

for (const [what, how] of Object.entries(apps)) {
  t.test(`an app that has ${what}`, async t => {
    const { app, reports, url } = await start(t, how)
    app.addTask(untilAborted, { name: '5', kind: '7' })
    await reports.addTask(undefined, { name: '5' })

    t.match(await getJson(`${url}/health`), { counts: { running: 1 } })
    const { tasks: [row] } = await getJson(`${url}/tasks?limit=5&name=5&kind=7&status=running`)
    t.match(row, { name: '5' })
    t.match(await getJson(`${url}/tasks/${row.id}`), { name: '5' })
    t.match(await (await watch(t, `${url}/events?limit=5`)).list(), { tasks: [{ name: '5' }] })
    t.match(await getJson(`${url}/kinds`), { kinds: [{ kind: 'report' }] })
    t.match(await getJson(`${url}/kinds/tasks?kind=report&limit=5&offset=0`), { tasks: [{ name: '5' }] })
    t.match(await getJson(`${url}/kinds/task?kind=report&name=5`), { name: '5' })
    t.match(await getJson(`${url}/history`), { minutes: [{ completed: 0 }] })
    t.match(await getJson(`${url}/kinds/pause?kind=report`, { method: 'PUT' }), { kind: 'report', paused: true })
    t.match(await getJson(`${url}/tasks?status=settled`, { method: 'DELETE' }), { purged: 0 })
    t.match(await getJson(`${url}/tasks/none`), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND', error: 'Not Found' })
    t.match(await getJson(`${url}/tasks?limit=0`), { statusCode: 400, code: 'FST_ERR_VALIDATION', message: 'querystring/limit must be a whole number from 1 to 200' })
  })
}

t.test('an error that a hook of the app throws goes to the error handler of the app', async t => {
  const { url } = await start(t, {
    prepare: app => app.setErrorHandler(async (error, request, reply) => reply.redirect(`/login?${(error as Error).message}`))
  }, { onRequest: async () => { throw new Error('who') } })
  const response = await fetch(`${url}/tasks`, { redirect: 'manual' })
  t.equal(response.status, 302)
  t.equal(response.headers.get('location'), '/login?who')
})

t.test('if the task server does not answer, the reply is a 503, and an error is logged', async t => {
  const lines: { level: number }[] = []
  const { app, url } = await start(t, { options: { logger: { stream: { write: line => { lines.push(JSON.parse(line)) } } } } }, { maxStreams: 0 })
  t.match(await getJson(`${url}/events`), { statusCode: 503, code: 'FST_ERR_TASK_STREAM_LIMIT' })
  t.equal(lines.filter(({ level }) => level === 50).length, 1)
  await app.close()
})

for (const prefix of ['/admin/tasks', '/admin/tasks/', '/', '']) {
  t.test(`with the prefix "${prefix}" the page is found with and without a slash`, async t => {
    const app = Fastify()
    closeAfter(t, app)
    await app.register(tasks).register(dashboard, { prefix, onRequest: false })
    const address = await app.listen({ host: '127.0.0.1', port: 0 })
    const base = prefix.replace(/\/$/, '')
    for (const url of [`${address}${base}`, `${address}${base}/`]) {
      const page = await fetch(url)
      t.equal(page.status, 200)
      t.equal(page.url, `${address}${base}/`)
    }
    t.match(await getJson(`${address}${base}/tasks`), { tasks: [] })
  })
}

t.test('the serializer of the dashboard passes texts on as they are', async t => {
  const serialize = compileSerializer({ schema: {}, method: 'GET', url: '/', httpStatus: '200' } as never)
  t.equal(serialize('{"a":1}'), '{"a":1}')
})
