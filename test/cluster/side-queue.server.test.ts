import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Cancellations } from '../../lib/cluster/bullmq/cancellations.ts'
import { SIDE_QUEUE } from '../../lib/cluster/bullmq/engine.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix, untilStatus } from './fixtures/fleet.ts'
import { openQueue } from './fixtures/queues.ts'

/** What happens before a mark of a kind is stored. */
const beforeMark = new Map<string, () => Promise<unknown>>()
const { mark } = Cancellations.prototype
Cancellations.prototype.mark = async function (queue, ...args) {
  await beforeMark.get(queue)?.()
  return await mark.call(this, queue, ...args)
}

onEveryServer(t, (t, engine) => {
  t.test('no lease and no mark of a cancellation is left once the tasks have settled', async t => {
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      await untilAborted(app, task).catch(error => {
        if (task.data === 'stops') throw error
      })
    })
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    for (const data of ['stops', 'swallows']) {
      await here.kind.addTask(data, { name: data })
      await untilStatus(here.kind, data, 'running')
      await there.kind.cancelTask(data)
    }
    await here.kind.addTask('waits', { name: 'waits', delay: 60_000 })
    await there.kind.cancelTask('waits')
    await here.kind.idle()
    while (await side.getJobCountByTypes('waiting') > 0) await sleep(10)
    t.strictSame(await side.getJobs(['waiting']), [])
  })

  t.test('nothing is left of a cancellation if the task settles before its mark is stored', async t => {
    const gate = withResolvers()
    const [{ kind }] = await buildFleet(t, engine, async () => await gate.promise, { apps: 1 })
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    const task = await kind.addTask(1, { name: 'settles' })
    await untilStatus(kind, 'settles', 'running')
    let marks = 0
    beforeMark.set(kind.name, async () => {
      marks++
      gate.resolve()
      await task.finished
    })
    await kind.cancelTask('settles')
    t.equal(marks, 1)
    t.equal((await kind.getTask('settles')).status, 'completed')
    while (await side.getJobCountByTypes('waiting') > 0) await sleep(10)
  })

  t.test('the mark of a cancelled run of a schedule is kept until its time, however far that is', async t => {
    const [here] = await buildFleet(t, engine, () => {})
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    await here.kind.scheduleTask('monthly', { every: 30 * 86_400_000 })
    const [next] = await here.kind.tasks({ status: 'deferred' })
    await next!.cancel()
    await side.clean(0, 1000, 'wait') // what every process does at its start with entries that are a week old
    t.equal((await here.kind.getTask(next!.name)).status, 'cancelled')
    await here.kind.unscheduleTask('monthly')
  })

  t.test('nothing is left of a cancelled run of a schedule', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    await here.kind.scheduleTask('tick', { every: 300 })
    let next
    do { // its time may come before its cancellation
      [next] = await there.kind.tasks({ status: 'deferred' })
      await next?.cancel()
    } while (next?.status !== 'cancelled')
    while (await side.getJobCountByTypes('waiting') > 0) await sleep(10)
    t.equal((await there.kind.getTask(next.name)).status, 'cancelled')
    await here.kind.unscheduleTask('tick')
  })
})
