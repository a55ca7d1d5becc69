import t, { type Test } from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

const names = ({ tasks }: TaskList) => tasks.map(({ name }) => name)

/** Tasks that were added in the order of their numbers; 3 settled before 1. */
async function start (t: Test) {
  const started = await startDashboard(t)
  const { app } = started
  let fail!: (error: Error) => void
  const first = app.addTask(() => new Promise((resolve, reject) => { fail = reject }), { name: '1 fails last' })
  app.addTask(untilAborted, { name: '2 runs' })
  await app.addTask(async () => { throw new Error('early') }, { name: '3 fails first' }).finished.catch(() => {})
  await new Promise(resolve => setTimeout(resolve, 2)) // so that they settle in different milliseconds
  app.addTask(untilAborted, { name: '4 runs' })
  fail(new Error('late'))
  await first.finished.catch(() => {})
  return started
}

for (const [sort, expected] of Object.entries({
  newest: ['4 runs', '3 fails first', '2 runs', '1 fails last'],
  oldest: ['1 fails last', '2 runs', '3 fails first', '4 runs'],
  running: ['2 runs', '4 runs', '3 fails first', '1 fails last'],
  settled: ['1 fails last', '3 fails first', '4 runs', '2 runs']
})) {
  t.test(`sort=${sort}, on one page and on pages of one task, forwards and back`, async t => {
    const { url } = await start(t)
    t.strictSame(names(await getJson(`${url}/tasks?sort=${sort}`)), expected)

    const forwards = []
    let page: TaskList = await getJson(`${url}/tasks?sort=${sort}&limit=1`)
    for (let position = 0; ; position++) {
      t.match(page, { total: 4, position })
      forwards.push(...names(page))
      if (page.cursor === null) break
      page = await getJson(`${url}/tasks?sort=${sort}&limit=1&cursor=${page.cursor}`)
    }
    t.strictSame(forwards, expected)

    const back = names(page)
    while (page.previous !== null) {
      page = await getJson(`${url}/tasks?sort=${sort}&limit=1&cursor=${page.previous}`)
      back.unshift(...names(page))
    }
    t.strictSame(back, expected)
  })
}

t.test('an unknown order is refused', async t => {
  const { url } = await start(t)
  t.match(await getJson(`${url}/tasks?sort=name`), { statusCode: 400 })
})

t.test('unsettled and settled stand for three statuses each', async t => {
  const { url } = await start(t)
  t.match(await getJson(`${url}/tasks?status=unsettled`), { total: 2, tasks: [{ name: '4 runs' }, { name: '2 runs' }] })
  t.match(await getJson(`${url}/tasks?status=settled`), { total: 2, tasks: [{ name: '3 fails first' }, { name: '1 fails last' }] })
})

t.test('search finds a part of a name, in upper and lower case', async t => {
  const { url, app } = await start(t)
  app.addTask(untilAborted) // without a name
  t.strictSame(names(await getJson(`${url}/tasks?search=FAILS`)), ['3 fails first', '1 fails last'])
  t.match(await getJson(`${url}/tasks?search=s%20r`), { tasks: [], total: 0 })
  t.match(await getJson(`${url}/tasks?search=${'x'.repeat(257)}`), { statusCode: 400 })
})

t.test('the list says when a task failed last', async t => {
  const { app, url } = await start(t)
  t.equal((await getJson<TaskList>(`${url}/tasks?status=running`)).lastFailedAt, app.getTask('1 fails last').settledAt)
})

t.test('failures are as many as requested, and the task that failed last comes first', async t => {
  const { url } = await start(t)
  const all = await getJson(`${url}/failures`)
  t.match(all, { failures: [{ fleet: false, task: { name: '1 fails last' } }, { fleet: false, task: { name: '3 fails first' } }], total: 2, error: null, pending: 0 })
  t.match(await getJson(`${url}/failures?limit=1`), { failures: [{ task: { name: '1 fails last' } }], total: 2 })
  t.match(await getJson(`${url}/failures?limit=51`), { statusCode: 400 })
  t.match(await getJson(`${url}/failures?scope=all`), { total: 2 })
  t.strictSame(await getJson(`${url}/failures?scope=fleet`), { failures: [], total: 0, error: null, pending: 0 })
})

t.test('the history has sixty minutes, and what settled in the last ones', async t => {
  const { url } = await start(t)
  const { minutes } = await getJson(`${url}/history`)
  t.equal(minutes.length, 60)
  t.equal(minutes.reduce((sum: number, { failed }: { failed: number }) => sum + failed, 0), 2)
  for (const { time } of minutes) t.equal(time % 60_000, 0)
})

t.test('a client that has a reply already gets a 304', async t => {
  const { url, app } = await start(t)
  for (const path of ['tasks', `tasks/${(await getJson(`${url}/tasks`)).tasks[0].id}`, 'failures']) {
    const etag = (await fetch(`${url}/${path}`)).headers.get('etag')!
    const again = await fetch(`${url}/${path}`, { headers: { 'if-none-match': etag } })
    t.equal(again.status, 304, path)
    t.equal(await again.text(), '')
  }
  const etag = (await fetch(`${url}/tasks`)).headers.get('etag')!
  app.addTask(untilAborted)
  t.equal((await fetch(`${url}/tasks`, { headers: { 'if-none-match': etag } })).status, 200)
})
