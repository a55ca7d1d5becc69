import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import t from 'tap'
import { errors as coreErrors } from '../../index.ts'
import dashboard, { errors, type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { buildApp } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

/** What registering with these options rejects with, if it does. */
async function refusal (app: ReturnType<typeof Fastify>, options: object): Promise<Error | undefined> {
  try {
    await app.register(dashboard, options as FastifyTasksDashboardOptions)
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    app.close().catch(() => {}) // rejects with the same
  }
}

for (const options of [{}, { onRequest: undefined }, { onRequest: null }, { onRequest: [] }]) {
  t.test(`without a hook (${JSON.stringify(options)}) the registration rejects`, async t => {
    const error = await refusal((await buildApp(t)).app, options)
    t.match(error, { code: 'FST_ERR_TASK_DASHBOARD_OPEN', message: 'The dashboard needs onRequest, a hook that lets people in; false opens it to everyone' })
    t.ok(error instanceof errors.FST_ERR_TASK_DASHBOARD_OPEN)
  })
}

const onRequest = async () => {}

const refused: [object, string][] = [
  [{ onRequest: true }, 'Option "onRequest" of fastify-tasks/dashboard must be a hook, an array of hooks, or false, received true'],
  [{ onRequest: [onRequest, 'basicAuth'] }, 'Option "onRequest" of fastify-tasks/dashboard must be a hook, an array of hooks, or false, received [ [AsyncFunction: onRequest], \'basicAuth\' ]'],
  [{ onRequest, authorize: true }, 'Option "authorize" of fastify-tasks/dashboard must be a function, received true'],
  [{ onRequest, readOnly: 'yes' }, 'Option "readOnly" of fastify-tasks/dashboard must be true or false, received \'yes\''],
  [{ onRequest, interval: 0 }, 'Option "interval" of fastify-tasks/dashboard must be a number of milliseconds above 0 and up to 2147483647, received 0'],
  [{ onRequest, interval: Infinity }, 'Option "interval" of fastify-tasks/dashboard must be a number of milliseconds above 0 and up to 2147483647, received Infinity'],
  [{ onRequest, maxStreams: -1 }, 'Option "maxStreams" of fastify-tasks/dashboard must be a whole number from 0, or Infinity, received -1'],
  [{ onRequest, origins: 'https://ops.example.com' }, 'Option "origins" of fastify-tasks/dashboard must be an array of origins such as "https://ops.example.com", received \'https://ops.example.com\''],
  [{ onRequest, origins: ['https://ops.example.com/'] }, 'Option "origins" of fastify-tasks/dashboard must be an array of origins such as "https://ops.example.com", received [ \'https://ops.example.com/\' ]'],
  [{ onRequest, origins: ['ops.example.com'] }, 'Option "origins" of fastify-tasks/dashboard must be an array of origins such as "https://ops.example.com", received [ \'ops.example.com\' ]'],
  [{ onRequest, title: '' }, 'Option "title" of fastify-tasks/dashboard must be a non-empty string, received \'\''],
  [{ onRequest, serialize: {} }, 'Option "serialize" of fastify-tasks/dashboard must be a function, received {}'],
  [{ onRequest, readonly: true }, 'Option "readonly" of fastify-tasks/dashboard does not exist, the nearest is "readOnly"']
]

for (const [options, message] of refused) {
  t.test(message, async t => {
    const error = await refusal((await buildApp(t)).app, options)
    t.equal(error?.message, message)
    t.ok(error instanceof coreErrors.FST_ERR_TASK_INVALID_OPTION)
  })
}

t.test('it needs fastify-tasks', async t => {
  const error = await refusal(Fastify(), { onRequest })
  t.match(error?.message, /The dependency 'fastify-tasks' of plugin 'fastify-tasks-dashboard' is not registered/)
})

t.test('a page that is open to everyone is logged as a warning', async t => {
  const { lines } = await startDashboard(t, { onRequest: false })
  t.match(lines.filter(({ level }) => level === 40), [{ msg: 'the dashboard at /admin/tasks/ is open to everyone: its onRequest is false' }])
})

t.test('a guarded page is not logged as a warning', async t => {
  const { lines } = await startDashboard(t, { onRequest })
  t.strictSame(lines.filter(({ level }) => level >= 40), [])
})

t.test('an app may have two dashboards, one of them read-only', async t => {
  const { app } = await buildApp(t)
  await app.register(dashboard, { prefix: '/look', onRequest, readOnly: true, title: 'Look' })
  await app.register(dashboard, { prefix: '/touch', onRequest })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const look = await getJson(`${address}/look/health`)
  const touch = await getJson(`${address}/touch/health`)
  t.match(look, { title: 'Look', readOnly: true })
  t.match(touch, { title: 'Tasks', readOnly: false, instance: look.instance })
})

t.test('it works at the root, without a prefix', async t => {
  const { url } = await startDashboard(t, { prefix: '' } as object)
  t.equal((await fetch(new URL('/', url))).headers.get('content-type'), 'text/html; charset=utf-8')
  t.same((await getJson(new URL('/tasks', url).href)).tasks, [])
})

t.test('its routes are in no OpenAPI document', async t => {
  const { app } = await buildApp(t)
  await app.register(swagger)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest })
  await app.ready()
  t.strictSame(app.swagger(), { ...app.swagger(), paths: {} })
})
