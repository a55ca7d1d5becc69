import t from 'tap'
import { SIDE_QUEUE } from '../../lib/cluster/bullmq/engine.ts'
import { encodeName } from '../../lib/cluster/bullmq/ids.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine, onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix, untilStatus } from './fixtures/fleet.ts'
import { openQueue } from './fixtures/queues.ts'

const refused = { code: 'FST_ERR_TASK_LIMIT', statusCode: 429 }

onEveryEngine(t, (t, engine) => {
  t.test('if two processes add many tasks of a key at once, as many are added as the limit allows', async t => {
    const gate = withResolvers()
    const fleet = await buildFleet(t, engine, () => gate.promise)
    const limit = { key: 'user:ada', max: 3 }
    const added = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => {
      return fleet[i % 2]!.kind.addTask(i, { limit, ...i % 3 === 0 && { name: `task ${i}` } })
    }))
    const tasks = added.flatMap(outcome => outcome.status === 'fulfilled' ? [outcome.value] : [])
    t.equal(tasks.length, 3)
    for (const outcome of added) if (outcome.status === 'rejected') t.match(outcome.reason, refused)
    const [{ kind }] = fleet
    t.equal((await kind.addTask(1, { limit: { key: 'user:bob', max: 1 } })).settled, false, 'another key has places of its own')
    t.equal((await kind.addTask(1, { limit: { key: 'user:ada', max: 4 } })).settled, false, 'each call says its own limit')
    await t.rejects(kind.addTask(1, { limit }), refused)
    gate.resolve()
    for (const task of tasks) await task.finished
    await kind.idle()
    t.equal((await (await kind.addTask(1, { limit })).finished), undefined)
  })

  t.test('a task counts until it has settled, however it ends', async t => {
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      if (task.data === 'bad') throw new Error('failed')
      return untilAborted(app, task)
    })
    const limit = { key: 'k', max: 1 }
    await (await here.kind.addTask('bad', { limit })).finished.catch(() => {})
    await here.kind.addTask('delayed', { limit, name: 'delayed', delay: 60_000 })
    await t.rejects(there.kind.addTask('wait', { limit }), { ...refused, message: 'Cannot add an unnamed task: 1 tasks with the same limit key have not ended, and more are not allowed' })
    await there.kind.cancelTask('delayed')
    await there.kind.addTask('wait', { limit, name: 'wait' })
    await untilStatus(here.kind, 'wait', 'running')
    await t.rejects(here.kind.addTask('wait', { limit, name: 'other' }), { ...refused, message: /^Cannot add task "other"/ })
    await t.rejects(here.kind.getTask('other'), { code: 'FST_ERR_TASK_NOT_FOUND' })
    await here.kind.cancelTask('wait')
    await here.kind.addTask('wait', { limit, name: 'wait' })
    t.equal((await here.kind.addTask('x', { limit, name: 'wait', onDuplicate: 'keep' })).data, 'wait', 'what is kept is not added')
    await here.kind.cancelTask('wait')
  })

  t.test('a refused task changes nothing: a settled task keeps its name', async t => {
    const [{ kind }] = await buildFleet(t, engine, (app, task) => task.data === 'wait' ? untilAborted(app, task) : 'ran', { apps: 1 })
    const limit = { key: 'k', max: 1 }
    await (await kind.addTask('quick', { name: 'settled' })).finished
    const waiting = await kind.addTask('wait', { limit })
    await t.rejects(kind.addTask('new', { name: 'settled', limit }), refused)
    t.match(await kind.getTask('settled'), { status: 'completed', data: 'quick' })
    await waiting.cancel()
    t.equal(await (await kind.addTask('new', { name: 'settled', limit })).finished, 'ran')
  })

  t.test('a settled task that is retried does not count', async t => {
    const [{ kind }] = await buildFleet(t, engine, (app, task) => task.data === 'wait' ? untilAborted(app, task) : 'ran', { apps: 1 })
    const limit = { key: 'k', max: 1 }
    const task = await kind.addTask('wait', { limit, name: 'again' })
    await task.cancel()
    await task.retry()
    const other = await kind.addTask('wait', { limit })
    await Promise.all([task.cancel(), other.cancel()])
  })
})

onEveryServer(t, (t, engine) => {
  t.test('a process that dies before it has added its task takes no place, even of a key that was used long ago', async t => {
    const [{ kind }] = await buildFleet(t, engine, untilAborted, { apps: 1 })
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    for (const age of [0, 2 * 86_400_000]) {
      const key = `key ${age}`
      const tasks = [{ jobId: '~never added', id: 1 }]
      await side.add('limit', { tasks }, { jobId: `~limit.${key}@${encodeName(kind.name)}`, timestamp: Date.now() - age })
      const task = await kind.addTask(1, { limit: { key, max: 1 } })
      await t.rejects(kind.addTask(1, { limit: { key, max: 1 } }), refused)
      await task.cancel()
    }
  })

  t.test('tasks of a key that have settled are forgotten, though the limit allows any number', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    const limit = { key: 'user', max: Infinity }
    let most = 0
    for (let i = 0; i < 120; i++) {
      const task = await kind.addTask(i, { limit })
      if (i % 10 === 0) await task.finished
      const record = await side.getJob(`~limit.user@${encodeName(kind.name)}`)
      most = Math.max(most, record!.data.tasks.length)
    }
    t.ok(most < 100, `${most}`)
  })
})
