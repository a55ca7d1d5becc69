import t, { type Test } from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

const PUT = { method: 'PUT' }
const DELETE = { method: 'DELETE' }

async function start (t: Test, options = {}) {
  const started = await startDashboard(t, options)
  const { app } = started
  for (const name of ['mail 1', 'mail 2', 'report 1']) {
    app.addTask(untilAborted, { name: `${name} runs`, kind: name.split(' ')[0]! })
    await app.addTask(async () => {}, { name: `${name} did`, kind: name.split(' ')[0]! }).finished
    await app.addTask(async () => { throw new Error('no') }, { name: `${name} failed`, kind: name.split(' ')[0]! }).finished.catch(() => {})
  }
  return started
}

for (const [query, purged] of [['status=settled', 6], ['status=failed', 3], ['status=failed&kind=mail', 2], ['status=settled&name=mail%201', 2], ['status=completed&search=PORT', 1], ['status=cancelled', 0]] as const) {
  t.test(`a purge of ${query} drops ${purged}, and no other`, async t => {
    const { app, url } = await start(t)
    const { total } = await getJson(`${url}/tasks?${query}`)
    t.equal(total, purged)
    t.strictSame(await getJson(`${url}/tasks?${query}`, DELETE), { purged })
    t.equal(app.tasks.size, 9 - purged)
    t.match(await getJson(`${url}/tasks?${query}`), { total: 0 })
  })
}

for (const query of ['', 'kind=mail', 'status=running', 'status=unsettled']) {
  t.test(`a purge of "${query}" is refused`, async t => {
    const { app, url } = await start(t)
    t.match(await getJson(`${url}/tasks?${query}`, DELETE), { statusCode: 400 })
    t.equal(app.tasks.size, 9)
  })
}

t.test('one settled task is dropped by its id, and one that runs is not', async t => {
  const { app, url } = await start(t)
  const { tasks } = await getJson(`${url}/tasks`)
  const idOf = (name: string) => tasks.find((task: { name: string }) => task.name === name).id
  t.match(await getJson(`${url}/tasks/${idOf('mail 1 did')}`), { can: ['inspect', 'purge'] })
  t.strictSame(await getJson(`${url}/tasks?status=settled&id=${idOf('mail 1 did')}`, DELETE), { purged: 1 })
  t.strictSame(await getJson(`${url}/tasks?status=settled&id=${idOf('mail 1 runs')}`, DELETE), { purged: 0 })
  t.match(await getJson(`${url}/tasks?status=settled&id=none-1`, DELETE), { statusCode: 404 })
  t.equal(app.tasks.size, 8)
})

t.test('the tasks that match the filter are cancelled', async t => {
  const { app, url } = await start(t)
  const ended = app.getTask('mail 1 runs').finished
  t.strictSame(await getJson(`${url}/tasks/cancel?status=running&kind=mail`, PUT), { cancelled: 2, more: false })
  await t.rejects(ended, { message: 'Cancelled from the dashboard' })
  t.equal(app.getTask('report 1 runs').status, 'running')
  t.match(await getJson(`${url}/tasks/cancel?kind=mail`, PUT), { statusCode: 400 })
  t.match(await getJson(`${url}/tasks/cancel?status=settled`, PUT), { statusCode: 400 })
})

t.test('a task that is being cancelled is not cancelled again', async t => {
  const { app, url } = await startDashboard(t, {}, { cancelTimeout: 50 })
  app.addTask(deaf, { name: 'deaf' })
  t.strictSame(await getJson(`${url}/tasks/cancel?status=unsettled`, PUT), { cancelled: 1, more: false })
  t.strictSame(await getJson(`${url}/tasks/cancel?status=unsettled`, PUT), { cancelled: 0, more: false })
  const { tasks: [row] } = await getJson(`${url}/tasks`)
  t.match(row, { status: 'cancelling', can: [] })
})

t.test('one request cancels a thousand at most, and says that there are more', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 0; i < 1001; i++) app.addTask(untilAborted)
  t.strictSame(await getJson(`${url}/tasks/cancel?status=running`, PUT), { cancelled: 1000, more: true })
  t.strictSame(await getJson(`${url}/tasks/cancel?status=running`, PUT), { cancelled: 1, more: false })
})

t.test('a client that may cancel no task is told so', async t => {
  const { app, url } = await start(t, { authorize: (request: unknown, action: string) => action === 'view' })
  t.match(await getJson(`${url}/tasks/cancel?status=running`, PUT), { statusCode: 403, message: 'You may not cancel this' })
  t.match(await getJson(`${url}/tasks?status=settled&id=${(await getJson(`${url}/tasks?status=failed`)).tasks[0].id}`, DELETE), { statusCode: 403, message: 'You may not purge this' })
  t.equal(app.getTask('mail 1 runs').status, 'running')
  const { tasks } = await getJson(`${url}/tasks`)
  t.ok(tasks.every(({ can }: { can: string[] }) => can.length === 0))
})

t.test('a page of another site cancels nothing', async t => {
  const { app, url } = await start(t)
  t.match(await getJson(`${url}/tasks/cancel?status=running`, { ...PUT, headers: { 'sec-fetch-site': 'cross-site' } }), { statusCode: 403, code: 'FST_ERR_TASK_CROSS_SITE' })
  t.equal(app.getTask('mail 1 runs').status, 'running')
})

t.test('a read-only dashboard changes nothing of the fleet', async t => {
  const { url } = await start(t, { readOnly: true })
  t.equal((await fetch(`${url}/tasks/cancel?status=running`, PUT)).status, 404)
  const { tasks } = await getJson(`${url}/tasks`)
  t.ok(tasks.every(({ can }: { can: string[] }) => can.length === 0))
  t.strictSame((await getJson(`${url}/tasks/${tasks[0].id}`)).can, ['inspect'])
})
