import { hostname } from 'node:os'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { SettledCounts } from '../../lib/cluster/index.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  t.test('the history counts what settled in each of the last sixty minutes', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => {
      if (data === 'bad') throw new Error('failed')
    }, { apps: 1 })
    const empty = await kind.history()
    t.equal(empty.length, 60)
    t.ok(empty.every(({ completed, failed }) => completed === 0 && failed === 0))
    await kind.addTasks(['good', 'good', 'bad'].map(data => ({ data })))
    await kind.idle()
    let history: SettledCounts[]
    const sum = (key: 'completed' | 'failed') => history.slice(-2).reduce((sum, minute) => sum + minute[key], 0) // a minute may have begun meanwhile
    do history = await nextTurn().then(() => kind.history())
    while (sum('completed') < 2 || sum('failed') < 1) // PostgreSQL counts a moment later
    t.equal(sum('completed'), 2)
    t.equal(sum('failed'), 1)
    t.ok(history.every(({ time }, i) => time % 60_000 === 0 && (i === 0 || time === history[i - 1]!.time + 60_000)))
    t.ok(Math.abs(history.at(-1)!.time - Date.now()) < 120_000)
  })

  t.test('the latency is how long the oldest of the tasks that may start has waited', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    t.equal(await kind.latency(), 0)
    await kind.pause()
    const task = await kind.addTask(1)
    await kind.addTask(2, { delay: 3_600_000 })
    const before = Date.now()
    while (Date.now() < before + 30);
    const latency = await kind.latency()
    t.ok(latency >= 25 && latency <= Date.now() - task.createdAt + 1000, `${latency}`)
    await kind.resume()
    await task.finished
    t.equal(await kind.latency(), 0)
    await kind.cancelTasks()
  })

  t.test('workers() lists the processes that work a kind', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await (await here.kind.addTask(1)).finished
    let workers
    do workers = await nextTurn().then(() => here.kind.workers())
    while (workers.length === 0)
    t.match(workers, [{ host: hostname(), pid: process.pid }])
    const { since } = workers[0]!
    t.ok(since === undefined || Math.abs(since - Date.now()) < 600_000)
  })

  t.test('settled tasks are kept for maxSettledAge', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1, maxSettledAge: 1000 })
    const task = await kind.addTask(1, { name: 'short-lived' })
    await task.finished
    t.ok(await kind.getTask('short-lived', { optional: true }) !== undefined || Date.now() >= task.settledAt! + 1000)
    while (await kind.getTask('short-lived', { optional: true }) !== undefined) await sleep(20)
    t.ok(Date.now() >= task.settledAt! + 1000)
    t.strictSame(await kind.tasks(), [])
    await (await kind.addTask(2)).finished
  })

  t.test('finished resolves, however short a settled task is kept', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => 'ran', { apps: 1, maxSettledAge: 1 })
    for (let i = 0; i < 20; i++) {
      const task = await kind.addTask(i, { delay: 20 })
      t.equal(await task.finished, 'ran')
    }
  })
})
