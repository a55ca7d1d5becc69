import { randomUUID } from 'node:crypto'
import { once, type EventEmitter } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { encodeName } from '../../lib/cluster/bullmq/ids.ts'
import { pack } from '../../lib/cluster/bullmq/packed.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp, buildFleet, prefix, untilStatus } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'
import { openQueue, openStore } from './fixtures/queues.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

onEveryServer(t, (t, engine) => {
  t.test('if a process dies between the announcement of a task and its end, onSettled waits for the true end', async t => {
    const journal = new Journal()
    const gate = withResolvers<string>()
    const [{ kind }] = await buildFleet(t, engine, () => gate.promise, { apps: 1, onSettled: (_app, { status, result }) => { journal.write(`${status} ${result}`) } })
    const task = await kind.addTask(1, { name: 'early' })
    await untilStatus(kind, 'early', 'running')
    const announcements = await openQueue(t, engine, prefix, `%settled.${encodeName(kind.name)}`)
    const announced = { ...task.toJSON(), data: 1, retries: 0, attempts: [], status: 'completed', result: 'wrong', settledAt: Date.now() }
    const job = await announcements.add('settled', { task: pack(announced) }, { jobId: `~${task.id}.0.early`, removeOnComplete: true })
    while (await job.getState() !== 'delayed'); // a process has read the task, and has put the announcement off
    t.strictSame(journal.lines, [])
    gate.resolve('right')
    await journal.untilLines(1)
    await kind.idle()
    while (await announcements.getJob(job.id!) !== undefined);
    t.strictSame(journal.lines, ['completed right'])
  })

  t.test('an event tells that a call of onSettled has ended', async t => {
    const gate = withResolvers()
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1, onSettled: async () => await gate.promise })
    const queue = await openQueue(t, engine, prefix, encodeName(kind.name))
    const store = openStore(engine, prefix)
    await store.connect()
    const events = store.eventsOf(queue.name, {}) as unknown as EventEmitter & { close (): Promise<void> }
    t.teardown(async () => {
      await events.close()
      await store.close()
    })
    const listening = once(events, 'echo')
    do await queue.getBackend().publishEvent({ event: 'echo', jobId: '' }, 1000)
    while (await Promise.race([listening, setTimeout(20)]) === undefined)
    const announced = once(events, 'announced')
    await kind.addTask(1)
    const idle = kind.idle()
    gate.resolve()
    await announced
    await idle
    t.pass()
  })

  t.test('if a process is killed during onSettled, another process calls it again', async t => {
    const options = { connection: engine.connection, prefix: `settled-${randomUUID()}`, stallTimeout: 1000 }
    const first = await WorkerProcess.start(t, options, { onSettled: 'hang' as any })
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {}, { onSettled: () => {} })
    await app.ready()
    await kind.addTask('quick', { name: 'told twice' })
    await first.until('settled completed', 'told twice')
    first.child.kill('SIGKILL')
    const second = await WorkerProcess.start(t, options, { onSettled: 'tell' as any })
    await second.until('settled completed', 'told twice')
  })

  t.test('a task that has stalled too often is announced', async t => {
    const options = { connection: engine.connection, prefix: `settled-${randomUUID()}`, stallTimeout: 1000 }
    const first = await WorkerProcess.start(t, options, { onSettled: 'tell' as any, maxStalls: 0 })
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {}, { onSettled: () => {} })
    await app.ready()
    await kind.addTask('die', { name: 'deadly' })
    await first.exit
    const second = await WorkerProcess.start(t, options, { onSettled: 'tell' as any, maxStalls: 0 })
    t.equal((await second.until('settled failed', 'deadly')).code, 'FST_ERR_TASK_STALLED')
    t.match((await kind.getTask('deadly')).error, { code: 'FST_ERR_TASK_STALLED' })
    t.match(second.linesOf(/^task failed$/), [{ kind: 'work', task: 'deadly', err: { code: 'FST_ERR_TASK_STALLED' } }])
  })
})
