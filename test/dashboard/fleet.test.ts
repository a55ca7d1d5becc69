import { setImmediate as nextTurn } from 'node:timers/promises'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import cluster, { type ClusterOptions } from '../../lib/cluster/index.ts'
import dashboard, { type DashboardAuthorize, type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import type { Failures, FleetKinds, FleetList, FleetTaskRow } from '../../lib/dashboard/wire.ts'
import { skipWithout, startServer } from '../cluster/fixtures/servers.ts'
import { buildApp, closeAfter, deaf, untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

/** An app that has a dashboard and a fleet: reports that run until they are cancelled, two at a time, and mails that fail. */
async function startFleet (t: Test, options: Partial<FastifyTasksDashboardOptions> = {}, clusterOptions: Omit<ClusterOptions, 'prefix'> = {}) {
  const { app, lines } = await buildApp(t)
  await app.register(cluster, { drainTimeout: 50, cancelTimeout: 100, ...clusterOptions })
  const reports = app.cluster.defineTask('report', untilAborted, { concurrency: 2 })
  const mails = app.cluster.defineTask('mail', async (_app, task) => { throw new Error(`no mail to ${task.data}`) })
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false, ...options })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, lines, reports, mails, url: `${address}/admin/tasks` }
}

const DELETE = { method: 'DELETE' }
const PUT = { method: 'PUT' }

const names = ({ tasks }: FleetList) => tasks.map(({ name }) => name)

t.test('without a fleet there are no kinds', async t => {
  const { url } = await startDashboard(t)
  t.equal((await getJson(`${url}/health`)).fleet, false)
  t.strictSame((await getJson<FleetKinds>(`${url}/kinds`)).kinds, [])
  t.match(await getJson(`${url}/kinds/tasks?kind=report`), { statusCode: 404, code: 'FST_ERR_TASK_UNKNOWN_KIND', message: 'There is no kind "report"' })
})

t.test('the kinds are listed with their counts and schedules', async t => {
  const { url, reports, mails } = await startFleet(t)
  for (const name of ['a', 'b', 'c']) await reports.addTask('', { name })
  await mails.addTask('ann', { name: 'ann' })
  await mails.idle()
  await reports.scheduleTask('nightly', { cron: '0 3 * * *', timeZone: 'Europe/Zurich' }, 'secret')

  t.equal((await getJson(`${url}/health`)).fleet, true)
  const { kinds } = await getJson<FleetKinds>(`${url}/kinds`)
  t.match(kinds, [
    { kind: 'report', counts: { running: 2, completed: 0, failed: 0 }, error: null, schedules: [{ name: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Zurich', nextAt: Number }] },
    { kind: 'mail', counts: { deferred: 0, running: 0, completed: 0, failed: 1 }, schedules: [], error: null }
  ])
  t.notOk(JSON.stringify(kinds).includes('secret'))
})

t.test('the tasks of a kind are listed a page at a time', async t => {
  const { url, reports } = await startFleet(t)
  for (let i = 0; i < 7; i++) await reports.addTask('', { name: `${i}` })
  const first = await getJson<FleetList>(`${url}/kinds/tasks?kind=report&limit=3`)
  t.strictSame(names(first).slice().sort(), ['0', '1', '2'])
  t.equal(first.offset, 3)
  const second = await getJson<FleetList>(`${url}/kinds/tasks?kind=report&limit=3&offset=${first.offset}`)
  const third = await getJson<FleetList>(`${url}/kinds/tasks?kind=report&limit=3&offset=${second.offset}`)
  t.strictSame([...names(second), ...names(third)], ['3', '4', '5', '6'])
  t.equal(third.offset, null)
  t.match(first.tasks[0], { kind: 'report', status: 'running', attempt: 1, worker: { pid: process.pid } })
})

t.test('running includes cancelling, and failed includes cancelled, as in the counts', async t => {
  const { url, reports, mails } = await startFleet(t)
  for (const name of ['runs', 'other', 'waits']) await reports.addTask('', { name })
  await mails.addTask('ann', { name: 'fails' })
  await mails.idle()
  await reports.cancelTask('other')
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=mail&status=failed`)), ['fails'])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report&status=failed`)), ['other'])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report&status=cancelled`)), ['other'])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report&status=running`)).sort(), ['runs', 'waits'])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report&status=completed`)), [])
})

for (const query of ['kind=report&limit=0', 'kind=report&limit=201', 'kind=report&offset=-1', 'kind=report&offset=1e3', 'kind=report&offset=9999999999', 'kind=report&status=lost', `kind=${'k'.repeat(1025)}`]) {
  t.test(`a page refuses ${query.slice(0, 40)}`, async t => {
    const { url } = await startFleet(t)
    t.match(await getJson(`${url}/kinds/tasks?${query}`), { statusCode: 400, code: 'FST_ERR_VALIDATION' })
  })
}

for (const name of ['plain', 'a/b', '..', '%2e%2e', '__proto__', '<img src=x onerror=alert(1)>', 'a b?c#d&e', 'x'.repeat(2000), '5', 'a:b', 'ü']) {
  t.test(`a task named ${name.slice(0, 40)} is found, and cancelled where it runs`, async t => {
    const { lines, url, reports } = await startFleet(t)
    await reports.addTask('', { name })
    const query = `kind=report&name=${encodeURIComponent(name)}`
    t.match(await getJson<FleetTaskRow>(`${url}/kinds/task?${query}`), { name, kind: 'report', status: 'running' })
    const response = await fetch(`${url}/kinds/task?${query}`, DELETE)
    t.equal(response.status, 202)
    t.match(await response.json(), { name, status: 'cancelled', error: { name: 'AbortError', message: 'Cancelled from the dashboard' } })
    t.match(lines.filter(({ msg }) => msg === 'task cancelled from the dashboard'), [{ level: 30, kind: 'report', task: name, reqId: /^req-/ }])
    t.equal((await fetch(`${url}/kinds/task?${query}`, DELETE)).status, 200)
  })
}

t.test('a task of the fleet that does not stop is shown as cancelling', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 50 })
  await app.register(cluster, { drainTimeout: 10, cancelTimeout: 50 })
  const kind = app.cluster.defineTask('deaf', deaf)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  await kind.addTask(undefined, { name: 'one' })
  const response = await fetch(`${address}/admin/tasks/kinds/task?kind=deaf&name=one`, DELETE)
  t.equal(response.status, 202)
  t.match(await response.json(), { status: 'cancelling' })
  t.strictSame(names(await getJson(`${address}/admin/tasks/kinds/tasks?kind=deaf&status=running`)), ['one'])
})

t.test('a cancellation of many, some of which do not stop, says how many they are and how many were cancelled', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 50 })
  await app.register(cluster, { drainTimeout: 10, cancelTimeout: 50 })
  const kind = app.cluster.defineTask('deaf', deaf, { concurrency: 2 })
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  for (const name of ['one', 'two', 'waits']) await kind.addTask(undefined, { name })
  while ((await kind.count()).running < 2) await nextTurn()
  t.match(await getJson(`${address}/admin/tasks/kinds/tasks/cancel?kind=deaf&status=unsettled`, PUT), {
    statusCode: 504,
    code: 'FST_ERR_TASK_CANCEL_TIMEOUT',
    message: 'The work of 2 tasks of the kind "deaf" has not stopped 1000 ms after its cancellation (1 other was cancelled)'
  })
  t.match(lines.filter(({ msg }) => msg === 'tasks cancelled from the dashboard'), [{ level: 30, kind: 'deaf', status: 'unsettled', reqId: /^req-/ }])
})

t.test('a click on a task that has gone cancels no other of its name', async t => {
  const { url, reports } = await startFleet(t)
  await reports.addTask('', { name: 'one' })
  const { id } = await getJson(`${url}/kinds/task?kind=report&name=one`)
  await reports.cancelTask('one')
  await reports.addTask('', { name: 'one' })
  const query = `kind=report&name=one&id=${id}`
  t.match(await getJson(`${url}/kinds/task?${query}`, DELETE), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND', message: 'There is no task "one"' })
  t.equal((await reports.getTask('one')).status, 'running')
  const now = await getJson(`${url}/kinds/task?kind=report&name=one`)
  t.equal((await fetch(`${url}/kinds/task?kind=report&name=one&id=${now.id}`, DELETE)).status, 202)
})

t.test('a task that does not exist is not found', async t => {
  const { url } = await startFleet(t)
  for (const method of ['GET', 'DELETE']) {
    t.match(await getJson(`${url}/kinds/task?kind=report&name=none`, { method }), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND' })
    t.match(await getJson(`${url}/kinds/task?kind=none&name=none`, { method }), { statusCode: 404, code: 'FST_ERR_TASK_UNKNOWN_KIND' })
    t.match(await getJson(`${url}/kinds/task?kind=report`, { method }), { statusCode: 400 })
  }
})

t.test('settled tasks are purged, which is logged', async t => {
  const { lines, url, mails, reports } = await startFleet(t)
  for (const name of ['ann', 'bob']) await mails.addTask(name, { name })
  await mails.idle()
  await reports.addTask('', { name: 'runs' })
  t.match(await getJson(`${url}/kinds/tasks?kind=mail`, DELETE), { statusCode: 400 })
  t.strictSame(await getJson(`${url}/kinds/tasks?kind=mail&status=settled`, DELETE), { purged: 2 })
  t.strictSame(await mails.tasks(), [])
  t.equal((await reports.tasks()).length, 1)
  t.match(lines.filter(({ msg }) => msg === 'tasks purged from the dashboard'), [{ kind: 'mail', purged: 2 }])
})

t.test('a kind is paused and resumed, which is logged', async t => {
  const { lines, url, reports } = await startFleet(t)
  t.strictSame(await getJson(`${url}/kinds/pause?kind=report`, PUT), { kind: 'report', paused: true })
  await reports.addTask('', { name: 'one' })
  t.equal((await getJson(`${url}/kinds/task?kind=report&name=one`)).status, 'deferred')
  t.strictSame(await getJson(`${url}/kinds/pause?kind=report`, DELETE), { kind: 'report', paused: false })
  let row
  do row = await getJson(`${url}/kinds/task?kind=report&name=one`)
  while (row.status === 'deferred')
  t.equal(row.status, 'running')
  t.strictSame(lines.map(({ msg }) => msg).filter(msg => /^kind/.test(msg)), ['kind paused from the dashboard', 'kind resumed from the dashboard'])
})

t.test('texts are cut and serialize is called, as in lists of this process', async t => {
  const { url, reports } = await startFleet(t, { serialize: task => ({ ...task.toJSON(), worker: undefined, long: 'x'.repeat(5000) }) })
  await reports.addTask('', { name: 'one' })
  const { tasks: [row] } = await getJson<FleetList>(`${url}/kinds/tasks?kind=report`)
  t.match(row, { name: 'one', long: `${'x'.repeat(2048)}…` })
  t.notOk('worker' in row!)
})

const bobs: DashboardAuthorize = (request, action, task) => task.data === 'bob' && (action === 'view' || task.name === 'his')

t.test('what may not be viewed is not listed and not found, and no kind is listed', async t => {
  const { url, reports } = await startFleet(t, { authorize: bobs })
  await reports.addTask('ann', { name: 'hers' })
  await reports.addTask('bob', { name: 'his' })
  await reports.addTask('bob', { name: 'his, too' })
  t.strictSame((await getJson<FleetKinds>(`${url}/kinds`)).kinds, [])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report`)).sort(), ['his', 'his, too'])
  t.equal((await fetch(`${url}/kinds/task?kind=report&name=hers`)).status, 404)
  t.equal((await fetch(`${url}/kinds/task?kind=report&name=hers`, DELETE)).status, 404)
  t.match(await getJson(`${url}/kinds/task?kind=report&name=his,%20too`, DELETE), { statusCode: 403, code: 'FST_ERR_TASK_FORBIDDEN' })
  t.equal((await fetch(`${url}/kinds/task?kind=report&name=his`, DELETE)).status, 202)
  t.match(await getJson(`${url}/kinds/tasks?kind=report&status=settled`, DELETE), { statusCode: 403, message: 'You may not purge this' })
  for (const method of ['PUT', 'DELETE']) {
    t.match(await getJson(`${url}/kinds/pause?kind=report`, { method }), { statusCode: 403, message: 'You may not pause this' })
  }
})

t.test('for a kind as a whole, authorize gets the name of the kind', async t => {
  const asked: [string, string | undefined, string | undefined][] = []
  const { url } = await startFleet(t, {
    authorize: (request, action, task) => {
      asked.push([action, task.kind, task.name])
      return task.kind === 'mail'
    }
  })
  t.match(await getJson(`${url}/kinds`), { kinds: [{ kind: 'mail' }] })
  t.strictSame(asked.filter(([action]) => action === 'view').map(([, kind]) => kind).sort(), ['mail', 'report'])
  t.ok(asked.every(([, , name]) => name === undefined))
})

t.test('with a server', { skip: skipWithout('redis', { own: true }) }, async t => {
  t.test('a task that runs in another process is seen and cancelled', async t => {
    const { url: connection, remove } = await startServer('redis', { own: true })
    t.teardown(remove)
    const there = await startFleet(t, {}, { connection })
    const here = await startFleet(t, {}, { connection, work: false })
    const task = await there.reports.addTask('', { name: 'one' })
    let row
    do row = await getJson(`${here.url}/kinds/task?kind=report&name=one`)
    while (row.status === 'deferred')
    t.equal((await fetch(`${here.url}/kinds/task?kind=report&name=one&id=${row.id}`, DELETE)).status, 202)
    await t.rejects(task.finished, { message: 'Cancelled from the dashboard' })
  })

  t.test('if the task server has gone, replies say so, and the rest works', async t => {
    const server = await startServer('redis', { own: true })
    t.teardown(server.remove)
    let going = false
    const { app, url, reports } = await startFleet(t, {
      authorize: (request, action) => {
        if (action === 'cancel' && !going) {
          going = true
          server.process!.freeze()
        }
        return true
      }
    }, { connection: server.url, timeout: 3000 })
    app.addTask(untilAborted, { name: 'here' })
    await reports.addTask('', { name: 'one' })
    t.match(await getJson(`${url}/kinds/task?kind=report&name=one`, DELETE), { statusCode: 503, code: 'FST_ERR_TASK_UNREACHABLE' })
    const { kinds } = await getJson<FleetKinds>(`${url}/kinds`)
    const gone = { counts: null, paused: null, schedules: null, error: { code: 'FST_ERR_TASK_UNREACHABLE', message: /does not answer/ } }
    t.match(kinds, [{ kind: 'report', ...gone }, { kind: 'mail', ...gone }])
    t.match(await getJson(`${url}/kinds/tasks?kind=report`), { statusCode: 503, code: 'FST_ERR_TASK_UNREACHABLE' })
    t.match(await getJson(`${url}/tasks`), { tasks: [{ name: 'here' }] })
    server.process!.thaw()
    let answer
    do answer = await getJson<FleetKinds>(`${url}/kinds`)
    while (answer.kinds[0]!.error !== null)
    t.ok(answer.kinds[0]!.counts)
  })
})

t.test('a dashboard shows a fleet that is registered after it', async t => {
  const app = Fastify()
  closeAfter(t, app)
  await app.register(tasks)
  await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  await app.register(cluster)
  app.cluster.defineTask('late', async () => {})
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  t.match(await getJson(`${address}/admin/tasks/kinds`), { kinds: [{ kind: 'late' }] })
})

t.test('the tasks of all kinds that wait are in the order in which they start', async t => {
  const { url, reports, mails } = await startFleet(t)
  for (const kind of [reports, mails]) await kind.pause()
  await reports.addTask('', { name: 'in an hour', delay: 3_600_000 })
  await mails.addTask('ann', { name: 'first' })
  await mails.addTask('ann', { name: 'in a minute', delay: 60_000 })
  t.strictSame(names(await getJson<FleetList>(`${url}/kinds/tasks?status=deferred`)), ['first', 'in a minute', 'in an hour'])
})

t.test('if there is an authorize, the number of failures is not sent', async t => {
  const { url, mails } = await startFleet(t, { authorize: (_request, _action, { name }) => name !== 'secret' })
  for (const name of ['ann', 'secret']) await mails.addTask('x', { name })
  await mails.idle()
  const { failures, total } = await getJson<Failures>(`${url}/failures?limit=5&scope=fleet`)
  t.strictSame(failures.map(({ task }) => task.name), ['ann'])
  t.equal(total, null)
})
