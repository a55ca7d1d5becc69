import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { SIDE_QUEUE } from '../../lib/cluster/bullmq/engine.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix, untilStatus } from './fixtures/fleet.ts'
import { openQueue } from './fixtures/queues.ts'

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
