import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

const none = { deferred: 0, running: 0, cancelling: 0, completed: 0, failed: 0, cancelled: 0 }

const names = ({ tasks }: TaskList) => tasks.map(({ name }) => name)

t.test('a list without tasks has counts of zero', async t => {
  const { url } = await startDashboard(t)
  const response = await fetch(`${url}/tasks`)
  t.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  t.strictSame(await response.json(), {
    tasks: [], counts: none, kinds: [], cursor: null, previous: null, total: 0, position: 0, lastFailedAt: null, pending: 0
  })
})

t.test('the list has the state of each task, the newest first, with an id that names the process', async t => {
  const { app, url } = await startDashboard(t)
  const first = app.addTask(untilAborted, { name: 'first', kind: 'wait', data: { secret: 1 } })
  first.progress = { done: 1, total: 2 }
  const second = app.addTask(async () => { throw Object.assign(new Error('no'), { code: 'E_NO' }) }, { name: 'second' })
  await second.finished.catch(() => {})

  const { instance } = await getJson(`${url}/health`)
  const { tasks, counts, kinds } = await getJson<TaskList>(`${url}/tasks`)
  const { id: _, ...firstState } = JSON.parse(JSON.stringify(first))
  const { id: __, ...secondState } = JSON.parse(JSON.stringify(second))
  t.strictSame(tasks, [{ ...secondState, id: `${instance}-2`, can: [] }, { ...firstState, id: `${instance}-1`, can: ['cancel'] }])
  t.match(tasks[0], { status: 'failed', error: { name: 'Error', message: 'no', code: 'E_NO' } })
  t.strictSame(counts, { ...none, running: 1, failed: 1 })
  t.strictSame(kinds, [{ kind: 'wait', count: 1 }])
})

t.test('a task is found by its id', async t => {
  const { app, url } = await startDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { tasks: [row] } = await getJson<TaskList>(`${url}/tasks`)
  t.strictSame(await getJson(`${url}/tasks/${row!.id}`), { ...row, can: ['inspect', 'cancel'] })
})

t.test('a list is filtered by status, kind and the start of a name', async t => {
  const { app, url } = await startDashboard(t)
  for (const name of ['mail:1', 'mail:2', 'report:1']) app.addTask(untilAborted, { name, kind: name.split(':')[0]! })
  await app.addTask(async () => {}, { name: 'mail:3', kind: 'mail' }).finished
  app.addTask(untilAborted)

  t.strictSame(names(await getJson(`${url}/tasks?status=completed`)), ['mail:3'])
  t.strictSame(names(await getJson(`${url}/tasks?kind=mail`)), ['mail:3', 'mail:2', 'mail:1'])
  t.strictSame(names(await getJson(`${url}/tasks?name=mail:`)), ['mail:3', 'mail:2', 'mail:1'])
  t.strictSame(names(await getJson(`${url}/tasks?name=ail`)), [])
  t.strictSame(names(await getJson(`${url}/tasks?name=.*`)), [])
  t.strictSame(names(await getJson(`${url}/tasks?kind=mail&status=running&name=mail:1`)), ['mail:1'])
  t.strictSame(names(await getJson(`${url}/tasks?status=&kind=&name=&limit=&cursor=`)), [undefined, 'mail:3', 'report:1', 'mail:2', 'mail:1'])
})

t.test('the counts are those of all tasks, whatever the filter', async t => {
  const { app, url } = await startDashboard(t)
  app.addTask(untilAborted, { name: 'a', kind: 'one' })
  app.addTask(untilAborted, { name: 'b', kind: 'other' })
  app.addTask(untilAborted, { name: 'c', kind: 'other' })
  const { counts, kinds } = await getJson<TaskList>(`${url}/tasks?status=failed&kind=one`)
  t.strictSame(counts, { ...none, running: 3 })
  t.strictSame(kinds, [{ kind: 'other', count: 2 }, { kind: 'one', count: 1 }])
})

t.test('cursors lead from page to page, also while tasks come and go', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 1; i <= 120; i++) app.addTask(i % 3 === 0 ? async () => {} : untilAborted, { name: `${i}` })
  await Promise.all([...app.tasks].filter(task => Number(task.name) % 3 === 0).map(task => task.finished))

  const pages = []
  let cursor: string | null = ''
  do {
    const list: TaskList = await getJson(`${url}/tasks?cursor=${cursor}`)
    pages.push(names(list))
    cursor = list.cursor
    app.addTask(untilAborted, { name: `late ${pages.length}` })
  } while (cursor !== null)
  t.strictSame(pages.map(page => page.length), [50, 50, 20])
  t.strictSame(pages.flat(), Array.from({ length: 120 }, (_, i) => `${120 - i}`))
})

t.test('a last page that is full has no cursor', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 1; i <= 4; i++) app.addTask(untilAborted, { name: `${i}` })
  const { cursor } = await getJson<TaskList>(`${url}/tasks?limit=2`)
  const last = await getJson<TaskList>(`${url}/tasks?limit=2&cursor=${cursor}`)
  t.strictSame(names(last), ['2', '1'])
  t.equal(last.cursor, null)
})

t.test('a limit of 200 is the largest', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 0; i < 201; i++) app.addTask(untilAborted)
  t.equal((await getJson<TaskList>(`${url}/tasks`)).tasks.length, 50)
  t.equal((await getJson<TaskList>(`${url}/tasks?limit=1`)).tasks.length, 1)
  t.equal((await getJson<TaskList>(`${url}/tasks?limit=200`)).tasks.length, 200)
})

const bad = [
  'limit=0', 'limit=-1', 'limit=201', 'limit=1000', 'limit=1e2', 'limit=5.5', 'limit=all', 'limit=1&limit=2', 'limit=%00',
  'status=lost', 'status=running&status=failed', 'status[]=running&status=__proto__',
  `kind=${'k'.repeat(1025)}`, 'kind=a&kind=b', `name=${'n'.repeat(1025)}`, 'name=a&name=b', `cursor=${'c'.repeat(129)}`
]

for (const route of ['tasks', 'events']) {
  for (const query of bad) {
    t.test(`${route} refuses ${query.slice(0, 30)}`, async t => {
      const { url } = await startDashboard(t)
      t.match(await getJson(`${url}/${route}?${query}`), { statusCode: 400, error: 'Bad Request', code: 'FST_ERR_VALIDATION' })
    })
  }

  for (const cursor of ['1', 'none-1', 'constructor', '-', '%00']) {
    t.test(`${route} refuses the cursor ${cursor}, which is of no page`, async t => {
      const { url } = await startDashboard(t)
      t.match(await getJson(`${url}/${route}?cursor=${cursor}`), { statusCode: 410, code: 'FST_ERR_TASK_STALE_CURSOR' })
    })
  }
}

t.test('ids and cursors of an earlier process are refused', async t => {
  const before = await startDashboard(t)
  for (let i = 0; i < 3; i++) before.app.addTask(untilAborted, { name: `${i}` })
  const { tasks: [row], cursor } = await getJson<TaskList>(`${before.url}/tasks?limit=1`)
  await before.app.close()

  const { app, url } = await startDashboard(t)
  for (let i = 0; i < 3; i++) app.addTask(untilAborted, { name: `${i}` })
  for (const method of ['GET', 'DELETE']) {
    const response = await fetch(`${url}/tasks/${row!.id}`, { method })
    t.equal(response.status, 404)
    t.match(await response.json(), { code: 'FST_ERR_TASK_NOT_FOUND', message: `There is no task "${row!.id}"` })
  }
  t.equal((await fetch(`${url}/tasks?cursor=${cursor}`)).status, 410)
  t.ok([...app.tasks].every(({ status }) => status === 'running'))
})

t.test('a text that is not an id is not found', async t => {
  const { app, url } = await startDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { instance } = await getJson(`${url}/health`)
  for (const id of ['1', 'one', `${instance}-2`, `${instance}-01`, `${instance}-1.0`, `${instance}-1%20`, `${instance}-1e0`, `${instance}-`, `${instance}`, `${instance}+1`, '__proto__', '%00', '..%2f1']) {
    t.equal((await fetch(`${url}/tasks/${id}`)).status, 404, id)
    t.equal((await fetch(`${url}/tasks/${id}`, { method: 'DELETE' })).status, 404, id)
  }
  t.equal(app.getTask('one').status, 'running')
})

t.test('a list stays short if every task has a kind of its own', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 0; i < 150; i++) app.addTask(untilAborted, { kind: `kind ${i}` })
  t.equal((await getJson<TaskList>(`${url}/tasks`)).kinds.length, 100)
})

t.test('health describes the process', async t => {
  const { app, url } = await startDashboard(t, { title: 'Jobs', interval: 30 })
  app.addTask(untilAborted)
  const health = await getJson(`${url}/health`)
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  t.match(health, {
    title: 'Jobs',
    readOnly: false,
    interval: 30,
    fleet: false,
    instance: /^[0-9a-f]{12}$/,
    pid: process.pid,
    host: hostname(),
    versions: { node: process.version, fastify: app.version, 'fastify-tasks': version },
    counts: { ...none, running: 1 }
  })
  t.ok(Math.abs(health.time - Date.now()) < 60_000)
  t.ok(health.uptime > 0)
})
