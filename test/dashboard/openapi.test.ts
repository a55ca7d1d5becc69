import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import openapiTypescript, { astToString } from 'openapi-typescript'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import dashboard, { type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { untilAborted } from '../core/fixtures/app.ts'

interface Operation {
  tags: string[]
  summary: string
  parameters?: { name: string, in: string, required?: boolean }[]
  responses: Record<string, { content: Record<string, { schema: object }> }>
}

/** An app with tasks in every state, a fleet, and a document of its routes. */
async function start (t: Test, options: Partial<FastifyTasksDashboardOptions> = {}) {
  const app = Fastify({ pluginTimeout: 0, logger: { stream: { write () {} } }, ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } } })
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: {} })
  await app.register(tasks, { cancelTimeout: 100 })
  await app.register(cluster, { drainTimeout: 0, cancelTimeout: 100 })
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false, openapi: true, ...options })
  app.post<{ Body: { schema: object, value: object } }>('/validate', { schema: { hide: true } }, async request => {
    const validate = request.compileValidationSchema(request.body.schema)
    return validate(request.body.value) ? [] : validate.errors
  })
  const reports = app.cluster.defineTask('report', untilAborted, { concurrency: 1 })
  const mails = app.cluster.defineTask('mail', () => { throw new Error('no mail') }, { attempts: 2 })
  await app.ready()
  app.addTask(untilAborted, { name: 'runs', kind: 'export', data: 1 }).progress = { done: 1, total: 3 }
  const failed = app.addTask(() => { throw new AggregateError([new Error('one')], 'two', { cause: new Error('three') }) }, { name: 'fails' })
  await failed.finished.catch(() => {})
  await reports.addTasks(['runs', 'waits'].map(name => ({ name, data: name })))
  await reports.scheduleTask('nightly', { cron: '0 3 * * *' }, 1)
  await mails.addTask('ann', { name: 'ann' })
  await mails.idle()
  const { paths } = app.swagger() as unknown as { paths: Record<string, Record<string, Operation>> }
  return { app, paths }
}

const routes = `
  delete /kinds/pause, delete /kinds/schedules, delete /kinds/task, delete /kinds/tasks, delete /tasks, delete /tasks/{id}, get /events, get /failures,
  get /health, get /history, get /kinds, get /kinds/count, get /kinds/history, get /kinds/task, get /kinds/task/inspect, get /kinds/tasks, get /tasks,
  get /tasks/{id}, get /tasks/{id}/inspect, put /kinds/pause, put /kinds/schedules/run, put /kinds/task/promote, put /kinds/tasks/cancel,
  put /kinds/tasks/retry, put /tasks/cancel`.split(',').map(route => route.trim())

t.test('the document has all routes of the API, and no file of the page', async t => {
  const { paths } = await start(t)
  const found = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map(method => `${method} ${path.replace('/admin/tasks', '')}`))
  t.strictSame(found.sort(), routes)
})

t.test('each route has a summary, a tag, its parameters and the schema of its reply', async t => {
  const { paths } = await start(t)
  for (const [path, methods] of Object.entries(paths)) {
    for (const { summary, tags, parameters = [], responses } of Object.values(methods)) {
      t.match(summary, /^[A-Z]/)
      t.strictSame(tags, ['tasks'])
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      t.strictSame(parameters.filter(parameter => parameter.in === 'path').map(({ name }) => name), inPath)
      for (const { content } of Object.values(responses)) t.ok(Object.values(content)[0]!.schema)
    }
  }
  const parameters = paths['/admin/tasks/kinds/tasks']!.delete!.parameters!
  t.strictSame(parameters.map(({ name, required }) => [name, required]), [['kind', true], ['status', true], ['name', false], ['search', false], ['olderThan', false]])
})

t.test('openapi-typescript makes types of it', async t => {
  const { app } = await start(t)
  const types = astToString(await openapiTypescript(JSON.stringify(app.swagger())))
  t.match(types, /"\/admin\/tasks\/kinds\/tasks\/retry"/)
  t.match(types, /status: "deferred" \| "running" \| "cancelling" \| "completed" \| "failed" \| "cancelled"/)
})

t.test('a read-only dashboard has no route that changes anything in the document', async t => {
  const { paths } = await start(t, { readOnly: true, inspect: false })
  t.strictSame([...new Set(Object.values(paths).flatMap(Object.keys))], ['get'])
  t.notOk(Object.keys(paths).some(path => path.includes('inspect')))
})

t.test('the replies are what the document says', async t => {
  const { app, paths } = await start(t)
  const { tasks } = (await app.inject('/admin/tasks/tasks?kind=export')).json()
  const [{ id }] = tasks
  const tried = new Set<string>()
  for (const [method, path, query = ''] of [
    ['get', '/health'], ['get', '/history'], ['get', '/failures', '?scope=all'], ['get', '/tasks'], ['get', '/tasks/{id}'], ['get', '/tasks/{id}/inspect'],
    ['delete', '/tasks/{id}'], ['put', '/tasks/cancel', '?status=running'],
    ['get', '/kinds'], ['get', '/kinds/history'], ['get', '/kinds/tasks'], ['get', '/kinds/tasks', '?kind=mail&search=a'], ['get', '/kinds/count', '?kind=mail&status=failed'],
    ['get', '/kinds/task', '?kind=mail&name=ann'], ['get', '/kinds/task/inspect', '?kind=mail&name=ann'], ['put', '/kinds/tasks/retry', '?kind=mail&name=ann'],
    ['put', '/kinds/tasks/retry', '?kind=mail'], ['delete', '/kinds/task', '?kind=report&name=runs'], ['put', '/kinds/pause', '?kind=report'],
    ['delete', '/kinds/pause', '?kind=report'], ['put', '/kinds/schedules/run', '?kind=report&name=nightly'], ['put', '/kinds/task/promote', '?kind=report&name=waits'],
    ['delete', '/kinds/schedules', '?kind=report&name=nightly'], ['put', '/kinds/tasks/cancel', '?kind=report&status=unsettled'],
    ['delete', '/kinds/tasks', '?kind=report&status=settled'], ['delete', '/tasks', '?status=settled']
  ] as const) {
    const response = await app.inject({ method, url: `/admin/tasks${path.replace('{id}', id)}${query}` })
    const documented = paths[`/admin/tasks${path}`]![method]!.responses[response.statusCode]
    if (!t.ok(documented, `${method} ${path} ${response.statusCode} ${response.body}`)) continue
    const { schema } = Object.values(documented!.content)[0]!
    const wrong = (await app.inject({ method: 'POST', url: '/validate', body: { schema, value: response.json() } })).json()
    t.strictSame(wrong, [], `${method} ${path}`)
    tried.add(`${method} ${path}`)
  }
  t.strictSame(routes.filter(route => !tried.has(route)), ['get /events'])
})

t.test('an object that a hook of the app replies is sent as JSON', async t => {
  const { app } = await start(t, { onRequest: async (_request, reply) => reply.send({ please: 'sign in' }) })
  t.strictSame((await app.inject('/admin/tasks/tasks')).json(), { please: 'sign in' })
})
