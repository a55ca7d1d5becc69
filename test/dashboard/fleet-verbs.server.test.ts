import t, { type Test } from 'tap'
import cluster from '../../lib/cluster/index.ts'
import dashboard from '../../lib/dashboard/index.ts'
import type { FleetKinds, FleetList, FleetTaskRow, History } from '../../lib/dashboard/wire.ts'
import { onEveryServer } from '../cluster/fixtures/engines.ts'
import { buildApp, untilAborted } from '../core/fixtures/app.ts'
import { getJson } from './fixtures/dashboard.ts'

const PUT = { method: 'PUT' }
const DELETE = { method: 'DELETE' }

onEveryServer(t, (t, engine) => {
  let apps = 0

  /** A dashboard of a fleet on a server: mails that fail until `isUp`, and reports that run until they are cancelled, two at a time. */
  async function startFleet (t: Test) {
    const server = { isUp: false }
    const { app } = await buildApp(t)
    await app.register(cluster, { connection: engine.connection!, prefix: `dashboard_${process.pid}_${apps++}`, drainTimeout: 50, cancelTimeout: 10_000 })
    const mails = app.cluster.defineTask('mail', async (_app, task) => {
      if (!server.isUp) throw new Error(`no mail to ${task.data}`)
      return `sent to ${task.data}`
    }, { attempts: 2, concurrency: 20 })
    const reports = app.cluster.defineTask('report', untilAborted, { concurrency: 2 })
    t.teardown(async () => {
      await Promise.all([mails.purgeTasks(), reports.cancelTasks({ status: ['deferred', 'running'] })])
      await reports.purgeTasks()
    })
    await app.register(dashboard, { prefix: '/tasks', onRequest: false, interval: 20 })
    const address = await app.listen({ host: '127.0.0.1', port: 0 })
    const failAll = async (count: number) => {
      await mails.addTasks(Array.from({ length: count }, (_, i) => ({ name: `mail ${i}`, data: `user ${i}` })))
      await mails.idle()
    }
    return { server, mails, reports, failAll, url: `${address}/tasks` }
  }

  t.test('a failed task shows its attempts, and completes when it is retried', async t => {
    const { server, mails, failAll, url } = await startFleet(t)
    await failAll(1)
    const failed = await getJson<FleetTaskRow>(`${url}/kinds/task?kind=mail&name=mail 0`)
    t.match(failed, {
      status: 'failed',
      error: { message: 'no mail to user 0' },
      maxAttempts: 2,
      attempts: [1, 2].map(attempt => ({ attempt, error: { message: 'no mail to user 0' }, worker: { pid: process.pid } })),
      can: ['retry', 'purge', 'inspect']
    })
    t.match(await getJson(`${url}/failures?scope=fleet`), { total: 1, failures: [{ fleet: true, task: { name: 'mail 0' } }] })
    server.isUp = true
    await mails.pause() // until the reply was read
    t.match(await getJson(`${url}/kinds/tasks/retry?kind=mail&name=mail 0&id=${failed.id}`, PUT), { name: 'mail 0', settledAt: undefined })
    await mails.resume()
    await mails.idle()
    t.match(await getJson(`${url}/kinds/task?kind=mail&name=mail 0`), { status: 'completed', attempt: 1 })
    t.match(await getJson(`${url}/kinds/task/inspect?kind=mail&name=mail 0`), { data: 'user 0', result: 'sent to user 0' })
  })

  t.test('all failed tasks of a kind are retried, and the exact number is sent', async t => {
    const { server, mails, failAll, url } = await startFleet(t)
    await failAll(120)
    server.isUp = true
    t.strictSame(await getJson(`${url}/kinds/tasks/retry?kind=mail`, PUT), { retried: 120, more: false })
    await mails.idle()
    t.match(await getJson<FleetKinds>(`${url}/kinds`), { kinds: [{ kind: 'mail', counts: { completed: 120, failed: 0 } }, {}] })
    t.strictSame(await getJson(`${url}/kinds/tasks/retry?kind=mail`, PUT), { retried: 0, more: false })
  })

  t.test('the deferred tasks of a kind are cancelled, then all of them', async t => {
    const { reports, url } = await startFleet(t)
    await reports.addTasks(Array.from({ length: 30 }, (_, i) => ({ name: `report ${i}`, data: undefined })))
    while ((await reports.count()).running < 2);
    const statuses = async () => {
      const { tasks } = await getJson<FleetList>(`${url}/kinds/tasks?kind=report`)
      const numbers: Record<string, number> = {}
      for (const { status } of tasks) numbers[status] = (numbers[status] ?? 0) + 1
      return numbers
    }
    t.strictSame(await getJson(`${url}/kinds/tasks/cancel?kind=report&status=deferred`, PUT), { cancelled: 28, more: false })
    t.strictSame(await statuses(), { running: 2, cancelled: 28 })
    const reply = await getJson(`${url}/kinds/tasks/cancel?kind=report&status=unsettled`, PUT)
    // On a busy machine tasks may need more than the second that the reply waits for them.
    if (reply.code !== 'FST_ERR_TASK_CANCEL_TIMEOUT') t.strictSame(reply, { cancelled: 2, more: false })
    while ((await statuses()).cancelled !== 30);
    t.strictSame(await statuses(), { cancelled: 30 })
  })

  t.test('many tasks with a text in their names are counted, cancelled, retried and dropped, and no others', async t => {
    const { server, mails, reports, failAll, url } = await startFleet(t)
    await reports.addTasks(['Ada 1', 'ben 1', 'ada 2', 'ben 2', 'of ADA'].map(name => ({ name, data: undefined, delay: 3_600_000 })))
    t.strictSame(await getJson(`${url}/kinds/count?kind=report&status=deferred&search=ada`), { count: 3, exact: true })
    t.strictSame(await getJson(`${url}/kinds/tasks/cancel?kind=report&status=deferred&search=ada`, PUT), { cancelled: 3, more: false })
    t.strictSame((await reports.tasks({ status: 'deferred' })).map(({ name }) => name).sort(), ['ben 1', 'ben 2'])
    await failAll(12)
    server.isUp = true
    t.strictSame(await getJson(`${url}/kinds/tasks/retry?kind=mail&search=mail 1`, PUT), { retried: 3, more: false })
    await mails.idle()
    t.match(await mails.count(), { completed: 3, failed: 9 })
    t.strictSame(await getJson(`${url}/kinds/tasks?kind=mail&status=failed&search=mail 2`, DELETE), { purged: 1 })
    t.match(await mails.count(), { completed: 3, failed: 8 })
  })

  t.test('a purge drops what its filter asks for', async t => {
    const { server, mails, failAll, url } = await startFleet(t)
    await failAll(3)
    server.isUp = true
    await mails.addTask('ann', { name: 'ann' })
    await mails.idle()
    const purge = async (query: string) => (await getJson(`${url}/kinds/tasks?kind=mail&${query}`, DELETE)).purged
    t.equal(await purge('status=failed&olderThan=3600000'), 0)
    t.equal(await purge('status=failed&name=mail 0'), 1)
    t.equal(await purge('status=failed'), 2)
    const { tasks } = await getJson<FleetList>(`${url}/kinds/tasks?kind=mail`)
    t.strictSame(tasks.map(({ name }) => name), ['ann'])
    t.equal(await purge('status=settled'), 1)
  })

  t.test('a delayed task is started early', async t => {
    const { server, mails, url } = await startFleet(t)
    server.isUp = true
    await mails.addTask('ann', { name: 'later', delay: 3_600_000 })
    t.match(await getJson(`${url}/kinds/task?kind=mail&name=later`), { status: 'deferred', startsAt: String, can: ['cancel', 'promote', 'inspect'] })
    t.match(await getJson(`${url}/kinds/task/promote?kind=mail&name=later`, PUT), { name: 'later' })
    await mails.idle()
    t.match(await getJson(`${url}/kinds/task?kind=mail&name=later`), { status: 'completed' })
  })

  t.test('the kinds show their latency, workers and history', async t => {
    const { reports, failAll, url } = await startFleet(t)
    await failAll(3)
    await reports.addTasks(Array.from({ length: 3 }, (_, i) => ({ name: `report ${i}`, data: undefined })))
    let kinds: FleetKinds['kinds']
    do ({ kinds } = await getJson<FleetKinds>(`${url}/kinds`))
    while (kinds[1]?.latency === 0 || kinds[1]?.workers?.length === 0 || kinds[1]?.counts?.running !== 2)
    t.match(kinds, [
      { kind: 'mail', counts: { failed: 3 }, latency: 0, workers: [{ pid: process.pid }], error: null },
      { kind: 'report', counts: { deferred: 1, running: 2 }, workers: [{ pid: process.pid, host: String }] }
    ])
    let minutes: History['minutes']
    const failed = () => minutes!.reduce((sum, { failed }) => sum + failed, 0)
    do ({ minutes } = await getJson<History>(`${url}/kinds/history?kind=mail`))
    while (failed() < 3) // PostgreSQL counts a moment later
    t.equal(minutes!.length, 60)
    t.equal(failed(), 3)
  })
})
