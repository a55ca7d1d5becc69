import t from 'tap'
import dashboard from '../../lib/dashboard/index.ts'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { buildApp, deaf, untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, type Dashboard } from './fixtures/dashboard.ts'

async function idOf ({ url }: Dashboard, name: string): Promise<string> {
  const { tasks } = await getJson<TaskList>(`${url}/tasks`)
  return tasks.find(task => task.name === name)!.id
}

const DELETE = { method: 'DELETE' }

t.test('a running task is cancelled, which is shown at once and logged with the request', async t => {
  const started = await startDashboard(t)
  const { app, lines, url } = started
  const task = app.addTask(untilAborted, { name: 'wait' })
  const response = await fetch(`${url}/tasks/${await idOf(started, 'wait')}`, DELETE)
  t.equal(response.status, 202)
  t.match(await response.json(), { name: 'wait', status: /^cancell/ })

  await t.rejects(task.finished, { name: 'AbortError', message: 'Cancelled from the dashboard' })
  t.equal(task.status, 'cancelled')
  const logged = lines.filter(({ msg }) => msg === 'task cancelled from the dashboard')
  t.match(logged, [{ level: 30, task: 'wait', reqId: /^req-/ }])
})

t.test('a task that waits for a response never runs, and is cancelled at once', async t => {
  const { app } = await buildApp(t)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  app.get('/', async (request, reply) => {
    app.addTask(() => t.fail('it ran'), { name: 'later', after: reply })
    const { tasks: [row] } = await getJson<TaskList>(`${url}/tasks`)
    const response = await fetch(`${url}/tasks/${row!.id}`, DELETE)
    return { status: response.status, body: await response.json() }
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const url = `${address}/admin/tasks`
  t.match(await getJson(address), { status: 202, body: { name: 'later', status: 'cancelled' } })
})

t.test('a task that does not stop stays cancelling, and the reply does not wait for it', async t => {
  const started = await startDashboard(t, {}, { cancelTimeout: 10 })
  const { app, url } = started
  const task = app.addTask(deaf, { name: 'deaf' })
  const id = await idOf(started, 'deaf')
  for (let i = 0; i < 2; i++) {
    const response = await fetch(`${url}/tasks/${id}`, DELETE)
    t.equal(response.status, 202)
    t.match(await response.json(), { status: 'cancelling' })
  }
  t.equal(task.status, 'cancelling')
})

t.test('cancelling a settled task replies with its state', async t => {
  const started = await startDashboard(t)
  const { app, lines, url } = started
  await app.addTask(async () => {}, { name: 'done' }).finished
  const response = await fetch(`${url}/tasks/${await idOf(started, 'done')}`, DELETE)
  t.equal(response.status, 200)
  t.match(await response.json(), { name: 'done', status: 'completed' })
  t.notOk(lines.some(({ msg }) => msg === 'task cancelled from the dashboard'))
})

t.test('a task without a name is logged by its number', async t => {
  const { app, lines, url } = await startDashboard(t)
  app.addTask(untilAborted)
  const { tasks: [row] } = await getJson<TaskList>(`${url}/tasks`)
  await fetch(`${url}/tasks/${row!.id}`, DELETE)
  t.match(lines.filter(({ msg }) => msg === 'task cancelled from the dashboard'), [{ task: 1 }])
})

t.test('settled tasks are purged, which is logged with the request', async t => {
  const { app, lines, url } = await startDashboard(t)
  await app.addTask(async () => {}, { name: 'a' }).finished
  await app.addTask(async () => {}, { name: 'b' }).finished
  app.addTask(untilAborted, { name: 'c' })
  const response = await fetch(`${url}/tasks?status=settled`, DELETE)
  t.equal(response.status, 200)
  t.strictSame(await response.json(), { purged: 2 })
  t.strictSame([...app.tasks].map(({ name }) => name), ['c'])
  t.match(lines.filter(({ msg }) => msg === 'tasks purged from the dashboard'), [{ level: 30, purged: 2, reqId: /^req-/ }])
  t.strictSame(await getJson(`${url}/tasks?status=settled`, DELETE), { purged: 0 })
})

for (const query of ['', '?status=', '?status=running', '?status=settled&status=settled', '?kind=a']) {
  t.test(`a purge with the query "${query}" is refused, because it does not say what to purge`, async t => {
    const { app, url } = await startDashboard(t)
    await app.addTask(async () => {}, { name: 'done' }).finished
    t.match(await getJson(`${url}/tasks${query}`, DELETE), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
    t.equal(app.tasks.size, 1)
  })
}

t.test('a read-only dashboard has no route that changes anything', async t => {
  const started = await startDashboard(t, { readOnly: true })
  const { app, url } = started
  app.addTask(untilAborted, { name: 'wait' })
  await app.addTask(async () => {}, { name: 'done' }).finished
  const id = await idOf(started, 'wait')
  t.equal((await getJson(`${url}/health`)).readOnly, true)
  const changes = [['DELETE', `/tasks/${id}`], ['DELETE', '/tasks?status=settled'], ['DELETE', '/kinds/task?kind=a&name=b'],
    ['DELETE', '/kinds/tasks?kind=a&status=settled'], ['PUT', '/kinds/pause?kind=a'], ['DELETE', '/kinds/pause?kind=a']]
  for (const [method, path] of changes) t.equal((await fetch(url + path!, { method: method! })).status, 404, `${method} ${path}`)
  t.equal(app.getTask('wait').status, 'running')
  t.equal(app.tasks.size, 2)
  t.equal((await fetch(`${url}/tasks/${id}`)).status, 200)
})

t.test('a change refuses a parameter that does not exist or is empty, and changes nothing', async t => {
  const { app, url } = await startDashboard(t)
  const done = app.addTask(() => {}, { name: 'done' })
  const running = app.addTask(untilAborted, { name: 'wait' })
  const refused = [
    ['DELETE', 'tasks?status=settled&sarch=x', "querystring must not have 'sarch', but only status, kind, name, search, id"],
    ['DELETE', 'tasks?status=settled&search=', 'querystring/search must not be empty'],
    ['PUT', 'tasks/cancel?status=unsettled&Name=x', /'Name'/],
    ['PUT', 'tasks/cancel?status=unsettled&name=', /name must not be empty/]
  ] as const
  for (const [method, path, message] of refused) {
    const response = await fetch(`${url}/${path}`, { method })
    t.match(await response.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', message }, path)
  }
  t.strictSame([done.status, running.status, app.tasks.size], ['completed', 'running', 2])
  t.match(await getJson(`${url}/tasks?token=secret&search=`), { total: 2 })
})
