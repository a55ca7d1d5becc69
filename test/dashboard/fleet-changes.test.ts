// How the routes call the kinds of the fleet. The kinds themselves are tested with the cluster.
import t, { type Test } from 'tap'
import type { ClusterTask } from '../../lib/dashboard/cluster.ts'
import dashboard, { type FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { buildApp } from '../core/fixtures/app.ts'
import type { FleetList } from '../../lib/dashboard/wire.ts'
import { getJson } from './fixtures/dashboard.ts'

const PUT = { method: 'PUT' }
const DELETE = { method: 'DELETE' }

/** A kind that records its calls. */
function fakeKind (name: string, tasks: Partial<ClusterTask>[] = [], calls: unknown[][] = []) {
  const call = <Result>(verb: string, result: Result) => async (...args: unknown[]) => {
    calls.push([verb, ...args])
    return result
  }
  const all = tasks.map((task, id): Partial<ClusterTask> => {
    const full: Partial<ClusterTask> = {
      id,
      kind: name,
      status: 'failed',
      settled: true,
      settledAt: 1000 + id,
      createdAt: id,
      toJSON: () => ({ attempt: 1, attempts: [{ attempt: 1 }] }),
      ...task
    }
    return Object.assign(full, { refresh: async () => full, retry: async () => { calls.push(['retry', full.name]); return full } })
  })
  return {
    calls,
    name,
    addTask: async (data: unknown, options: { name: string }) => {
      calls.push(['addTask', data, options])
      return { ...all[0], name: options.name }
    },
    count: async () => ({ deferred: 1, running: 2, completed: 3, failed: 4 }),
    history: async () => [{ time: Math.floor(Date.now() / 60_000) * 60_000, completed: 1, failed: 2 }, { time: 0, completed: 9, failed: 9 }],
    latency: async () => 1500,
    workers: async () => [{ host: 'a', pid: 1, since: undefined }],
    schedules: async () => [{ name: 'nightly', every: 1000, nextAt: 5, data: 'secret' }],
    unscheduleTask: call('unscheduleTask', undefined),
    tasks: async ({ status, offset, limit }: { status: string[], offset: number, limit: number }) => all.filter(task => status.includes(task.status!)).slice(offset, offset + limit),
    getTask: async (name: string) => all.find(task => task.name === name),
    promoteTask: call('promoteTask', undefined),
    retryTasks: call('retryTasks', 1000),
    cancelTasks: call('cancelTasks', 7),
    purgeTasks: call('purgeTasks', 3),
    pause: call('pause', undefined),
    resume: call('resume', undefined),
    isPaused: async () => false
  }
}

async function start (t: Test, kinds: object[], options: Partial<FastifyTasksDashboardOptions> = {}) {
  const { app, lines } = await buildApp(t)
  app.decorate('cluster', kinds as never)
  await app.register(dashboard, { prefix: '/tasks', onRequest: false, interval: 20, ...options })
  return { lines, url: `${await app.listen({ host: '127.0.0.1', port: 0 })}/tasks` }
}

const reason = 'Cancelled from the dashboard'

for (const [request, init, reply, call] of [
  ['kinds/tasks/retry?kind=mail&name=a', PUT, { name: 'a', attempts: [{ attempt: 1 }] }, ['retry', 'a']],
  ['kinds/tasks/retry?kind=mail', PUT, { retried: 1000, more: true }, ['retryTasks', { status: 'failed', limit: 1000 }]],
  ['kinds/tasks/retry?kind=mail&status=cancelled', PUT, { retried: 1000, more: true }, ['retryTasks', { status: 'cancelled', limit: 1000 }]],
  ['kinds/tasks/retry?kind=mail&search=ada', PUT, { retried: 1000, more: true }, ['retryTasks', { status: 'failed', limit: 1000, which: Function }]],
  ['kinds/tasks/cancel?kind=mail&status=deferred&search=ada', PUT, { cancelled: 7 }, ['cancelTasks', { status: ['deferred'], limit: 1000, which: Function }]],
  ['kinds/tasks?kind=mail&status=failed&search=ada', DELETE, { purged: 3 }, ['purgeTasks', { status: ['failed'], which: Function }]],
  ['kinds/tasks/cancel?kind=mail&status=deferred', PUT, { cancelled: 7, more: false }, ['cancelTasks', { status: ['deferred'], reason, timeout: 1000, limit: 1000 }]],
  ['kinds/tasks/cancel?kind=mail&status=unsettled', PUT, { cancelled: 7, more: false }, ['cancelTasks', { status: ['deferred', 'running'], reason, timeout: 1000, limit: 1000 }]],
  ['kinds/tasks?kind=mail&status=settled', DELETE, { purged: 3 }, ['purgeTasks', { status: ['completed', 'failed', 'cancelled'] }]],
  ['kinds/tasks?kind=mail&status=failed&olderThan=5', DELETE, { purged: 3 }, ['purgeTasks', { status: ['failed'], olderThan: 5 }]],
  ['kinds/tasks?kind=mail&status=failed&name=a', DELETE, { purged: 3 }, ['purgeTasks', { status: ['failed'], name: 'a' }]],
  ['kinds/task/promote?kind=mail&name=later', PUT, { name: 'later' }, ['promoteTask', 'later']],
  ['kinds/schedules/run?kind=mail&name=nightly', PUT, { task: { name: /^nightly@\d{4}-/ } }, ['addTask', 'secret', { name: String }]],
  ['kinds/schedules?kind=mail&name=nightly', DELETE, { kind: 'mail', name: 'nightly' }, ['unscheduleTask', 'nightly']]
] as const) {
  t.test(`${init.method} ${request}`, async t => {
    const kind = fakeKind('mail', [{ name: 'a' }, { name: 'later', status: 'deferred', settled: false, startsAt: Date.now() + 1e6 }])
    const { url } = await start(t, [kind])
    t.match(await getJson(`${url}/${request}`, init), reply)
    t.match(kind.calls, [call])
  })

  t.test(`${init.method} ${request} is refused to a caller who may only view, to other sites, and if the dashboard is read-only`, async t => {
    const kind = fakeKind('mail', [{ name: 'a' }, { name: 'later', status: 'deferred', settled: false }])
    const viewer = await start(t, [kind], { authorize: (request, action) => action === 'view' })
    t.match(await getJson(`${viewer.url}/${request}`, init), { statusCode: 403, code: 'FST_ERR_TASK_FORBIDDEN' })
    t.match(await getJson(`${viewer.url}/${request}`, { ...init, headers: { 'sec-fetch-site': 'same-site' } }), { code: 'FST_ERR_TASK_CROSS_SITE' })
    const { url } = await start(t, [kind], { readOnly: true })
    t.equal((await fetch(`${url}/${request}`, init)).status, 404)
    t.strictSame(kind.calls, [])
  })
}

t.test('a schedule that is not there cannot be run', async t => {
  const { url } = await start(t, [fakeKind('mail')])
  t.match(await getJson(`${url}/kinds/schedules/run?kind=mail&name=none`, PUT), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND' })
})

t.test('the kinds are listed with their latency and workers, and with what the caller may do', async t => {
  const { url } = await start(t, [fakeKind('mail')])
  t.match(await getJson(`${url}/kinds`), {
    kinds: [{ latency: 1500, workers: [{ host: 'a', pid: 1, since: null }], can: ['cancel', 'retry', 'purge', 'pause', 'schedule'] }]
  })
})

t.test('the history of all kinds is their sum', async t => {
  const { url } = await start(t, [fakeKind('mail'), fakeKind('report')])
  const sum = (minutes: { completed: number, failed: number }[]) => minutes.reduce((sum, { completed, failed }) => [sum[0]! + completed, sum[1]! + failed], [0, 0])
  t.strictSame(sum((await getJson(`${url}/kinds/history?kind=mail`)).minutes), [1, 2])
  t.strictSame(sum((await getJson(`${url}/kinds/history`)).minutes), [2, 4])
})

t.test('who may not view a kind as a whole sees no history of it, nor of the process', async t => {
  const { url } = await start(t, [fakeKind('mail')], { authorize: () => false })
  t.strictSame(await getJson(`${url}/kinds/history?kind=mail`), { minutes: null })
  t.strictSame(await getJson(`${url}/history`), { minutes: null })
  t.match(await getJson(`${url}/kinds/tasks?kind=mail`), { total: null })
})

t.test('the tasks of all kinds are one list, and so are their failures, the last to settle first', async t => {
  const kinds = [
    fakeKind('mail', [{ name: 'm1', settledAt: 1 }, { name: 'm2', settledAt: 9 }, { name: 'm3', status: 'running', settled: false, startedAt: 5 }]),
    fakeKind('report', [{ name: 'r1', settledAt: 5 }, { name: 'r2', status: 'deferred', settled: false, startsAt: 7 }, { name: 'r3', status: 'running', settled: false, startedAt: 4 }])
  ]
  const { url } = await start(t, kinds)
  const names = (list: { tasks: { name: string }[] }) => list.tasks.map(({ name }) => name)
  const all = await getJson(`${url}/kinds/tasks`)
  t.strictSame(names(all), ['r3', 'm3', 'r2', 'm2', 'r1', 'm1'])
  t.match(all, { total: 20, offset: null, error: null })
  t.match(await getJson(`${url}/kinds/tasks?limit=2&offset=2`), { tasks: [{ name: 'r2' }, { name: 'm2' }], offset: 4 })
  t.strictSame(names(await getJson(`${url}/kinds/tasks?search=M`)), ['m3', 'm2', 'm1'])
  t.strictSame(names(await getJson(`${url}/kinds/tasks?kind=report&search=1`)), ['r1'])
  const { failures, total } = await getJson(`${url}/failures?scope=fleet`)
  t.strictSame(failures.map(({ task }: { task: { name: string } }) => task.name), ['m2', 'r1', 'm1'])
  t.equal(total, 8)
  t.notOk('attempts' in all.tasks[0])
})

t.test('a kind that cannot be read is left out, and its error is sent', async t => {
  const broken = { ...fakeKind('broken'), tasks: async () => { throw new Error('away') }, count: async () => { throw new Error('away') } }
  const { url } = await start(t, [fakeKind('mail', [{ name: 'm1' }]), broken])
  t.match(await getJson(`${url}/kinds/tasks`), { tasks: [{ name: 'm1' }], total: null, error: { message: 'away' } })
  t.match(await getJson(`${url}/failures?scope=fleet`), { failures: [{ task: { name: 'm1' } }], total: null, error: { message: 'away' } })
  t.match(await getJson(`${url}/kinds`), { kinds: [{ error: null }, { error: { message: 'away' }, can: [] }] })
})

t.test('a search reads two thousand tasks at most, and goes on where it stopped', async t => {
  const { url } = await start(t, [fakeKind('mail', Array.from({ length: 2500 }, (_, i) => ({ name: `mail ${i}` })))])
  const first = await getJson(`${url}/kinds/tasks?kind=mail&search=mail 2345`)
  t.match(first, { tasks: [], offset: 2000, scanned: 2000, total: null })
  t.match(await getJson(`${url}/kinds/tasks?kind=mail&search=mail 2345&offset=2000`), { tasks: [{ name: 'mail 2345' }], offset: null })
  t.strictSame(await getJson(`${url}/kinds/count?kind=mail&status=failed`), { count: 2000, exact: false })
  t.strictSame(await getJson(`${url}/kinds/count?kind=mail&status=completed`), { count: 0, exact: true })
  t.strictSame(await getJson(`${url}/kinds/count?kind=mail&status=failed&search=MAIL 19`), { count: 111, exact: false })
  t.strictSame(await getJson(`${url}/kinds/count?kind=mail&status=completed&search=mail`), { count: 0, exact: true })
})

t.test('a search of one kind gives as many tasks as the limit says, each once', async t => {
  const { url } = await start(t, [fakeKind('mail', Array.from({ length: 1000 }, (_, i) => ({ name: `mail ${i}` })))])
  const names: string[] = []
  for (let offset: number | null = 0; offset !== null;) {
    const page: FleetList = await getJson(`${url}/kinds/tasks?kind=mail&search=mail 1&limit=5&offset=${offset}`)
    t.ok(page.tasks.length <= 5)
    names.push(...page.tasks.map(({ name }) => name))
    offset = page.offset
  }
  const all = Array.from({ length: 1000 }, (_, i) => `mail ${i}`).filter(name => name.includes('mail 1'))
  t.strictSame(names.sort(), all.sort())
})

t.test('the data and the result of a task of the fleet are sent', async t => {
  const { url } = await start(t, [fakeKind('mail', [{ name: 'a', data: 1, result: 2, error: new Error('no') }, { name: 'b', data: 3 }])])
  t.match(await getJson(`${url}/kinds/task/inspect?kind=mail&name=a`), { data: 1, result: 2, error: { message: 'no' } })
  t.strictSame(await getJson(`${url}/kinds/task/inspect?kind=mail&name=b`), { data: 3 })
})
