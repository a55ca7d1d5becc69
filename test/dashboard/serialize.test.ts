import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

t.test('serialize adds and leaves out properties in lists, streams and replies about one task', async t => {
  const { app, url } = await startDashboard(t, {
    serialize: task => ({ ...task.toJSON(), name: undefined, progress: undefined, owner: (task.data as { owner: string }).owner })
  })
  app.addTask(untilAborted, { name: 'secret', data: { owner: 'ann' } }).progress = 'secret'
  const list = await getJson<TaskList>(`${url}/tasks`)
  t.match(list.tasks, [{ owner: 'ann', status: 'running' }])
  t.notOk(JSON.stringify(list).includes('secret'))
  t.strictSame(await (await watch(t, `${url}/events`)).list(), list)
  t.strictSame(await getJson(`${url}/tasks/${list.tasks[0]!.id}`), list.tasks[0])
})

t.test('the id and the status are always sent', async t => {
  const { app, url } = await startDashboard(t, { serialize: () => ({ id: 7, status: 'fine' }) })
  app.addTask(untilAborted)
  const { tasks: [row] } = await getJson<TaskList>(`${url}/tasks`)
  t.match(row, { id: /^[0-9a-f]{12}-1$/, status: 'running' })
  t.equal((await fetch(`${url}/tasks/${row!.id}`, { method: 'DELETE' })).status, 202)
})

t.test('values that serialize adds are cut like the others', async t => {
  const { app, url } = await startDashboard(t, { serialize: ({ data }) => ({ data, error: data }) })
  const text = 'x'.repeat(5000)
  for (const data of [text, [text], { text }, 10n]) app.addTask(untilAborted, { data })
  const { tasks } = await getJson<TaskList>(`${url}/tasks`)
  const cut = `${'x'.repeat(2048)}…`
  const start = (json: string) => `${json}${'x'.repeat(2048 - json.length)}…`
  t.strictSame(tasks.map(({ data, error }) => [data, error] as unknown[]), [
    ['[unreadable]', '[unreadable]'],
    [start('{"text":"'), { text: cut }],
    [start('["'), start('["')],
    [cut, cut]
  ])
})

t.test('a serialize that throws is logged, and shows the id and the status', async t => {
  for (const serialize of [() => { throw new Error('no') }, () => ({ get name () { throw new Error('no') } })]) {
    const { app, lines, url } = await startDashboard(t, { serialize })
    app.addTask(untilAborted, { name: 'one' })
    const { tasks } = await getJson<TaskList>(`${url}/tasks`)
    t.strictSame(tasks.map(row => Object.keys(row)), [['id', 'status', 'can']])
    t.match(lines.find(({ level }) => level === 50), { msg: 'serialize of the dashboard threw', err: { message: 'no' } })
  }
})

t.test('a serialize that returns nothing shows the id and the status', async t => {
  const { app, url } = await startDashboard(t, { serialize: () => undefined as unknown as object })
  app.addTask(untilAborted, { name: 'one' })
  t.strictSame((await getJson<TaskList>(`${url}/tasks`)).tasks.map(row => Object.keys(row)), [['id', 'status', 'can']])
})
