import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

interface Usage { processor: number, at: number, changes: number }

t.test('twenty streams of 100,000 tasks, of which 1,000 change each second, do not fill the memory', async t => {
  const server = fork(new URL('./fixtures/busy-server.ts', import.meta.url), { execArgv: [...process.execArgv, '--expose-gc'] })
  t.teardown(() => server.disconnect())
  const [address] = await once(server, 'message')
  const url = `${address}/admin/tasks/events`

  async function ask (what: 'usage' | 'memory') {
    server.send(what)
    return (await once(server, 'message'))[0]
  }

  /** The share of a core that the server takes until the promise resolves. */
  async function share (meanwhile: Promise<unknown>) {
    const before: Usage = await ask('usage')
    await meanwhile
    const after: Usage = await ask('usage')
    const ms = after.at - before.at
    t.ok(after.changes > before.changes, 'it kept changing')
    return (after.processor - before.processor) / ms
  }

  await sleep(500)
  const alone = await share(sleep(3000))
  const readers = await Promise.all(Array.from({ length: 20 }, (_, i) => watch(t, `${url}?kind=kind ${i % 5}`)))
  const [deaf] = await once(get(url, { agent: false }), 'response')
  t.teardown(() => deaf.destroy())

  async function read (frames: number) {
    await Promise.all(readers.map(async reader => {
      for (let i = 0; i < frames; i++) await reader.list()
    }))
  }
  await read(2)
  const memory: number = await ask('memory')
  const watched = await share(read(4))
  t.comment(`${((watched - alone) * 100).toFixed(1)} % of a core; npm run bench measures it`)
  const grown = await ask('memory') - memory
  t.ok(grown < 2_000_000, `${grown} bytes more`)
})

t.test('pages of 100,000 tasks are found, with the newest or the oldest first', async t => {
  const { app, url } = await startDashboard(t, {}, { maxSettled: Infinity })
  for (let i = 0; i < 50_000; i++) {
    app.addTask(untilAborted, { name: `live ${i}`, kind: 'live' })
    app.addTask(() => {}, { name: `done ${i}`, kind: 'done' })
  }
  const list = await getJson<TaskList>(`${url}/tasks?limit=200`)
  t.match(list.counts, { running: 50_000, completed: 50_000 })
  t.strictSame(list.kinds.map(({ count }) => count), [50_000, 50_000])
  t.strictSame(list.tasks.slice(0, 4).map(({ name }) => name), ['done 49999', 'live 49999', 'done 49998', 'live 49998'])
  const oldest = await getJson<TaskList>(`${url}/tasks?sort=oldest&limit=3`)
  t.strictSame(oldest.tasks.map(({ name }) => name), ['live 0', 'done 0', 'live 1'])
  const rest = await getJson<TaskList>(`${url}/tasks?sort=oldest&limit=1&cursor=${oldest.cursor}`)
  t.strictSame(rest.tasks.map(({ name }) => name), ['done 1'])
  const found = await getJson<TaskList>(`${url}/tasks?status=running&name=live 49999`)
  t.strictSame(found.tasks.map(({ name }) => name), ['live 49999'])
})
