import t from 'tap'
import { Cancellations } from '../../lib/cluster/bullmq/cancellations.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'

// The messages get lost: a run does not hear that its task is cancelled before it fails.
Cancellations.prototype.notify = async () => {}

onEveryServer(t, (t, engine) => {
  for (const verb of ['cancelTask', 'cancelTasks'] as const) {
    t.test(`${verb} also cancels a task whose run fails meanwhile, and which then waits for its next run`, async t => {
      let gate = withResolvers()
      const [here, there] = await buildFleet(t, engine, async () => {
        await gate.promise
        throw new Error('failed')
      }, { attempts: 2, backoff: 3_600_000, plugin: { stallTimeout: 600_000 } }) // a poll would tell the run
      for (let tries = 1; ; tries++) {
        gate = withResolvers()
        const name = `task ${tries}`
        await here.kind.addTask(1, { name })
        const running = await untilStatus(there.kind, name, 'running')
        // A second is less than the time after which a cancellation is sent again.
        const options = { timeout: 1000, reason: 'not wanted' }
        const cancelled = verb === 'cancelTask' ? there.kind.cancelTask(name, options) : there.kind.cancelTasks({ ...options, status: 'running' })
        const isInTime = cancelled.then(() => true, () => false)
        for await (const { status } of running.watch()) if (status !== 'running') break
        gate.resolve()
        if (!await isInTime) continue // on a machine that does other things
        t.match(await there.kind.getTask(name), { status: 'cancelled', error: { message: 'not wanted' } })
        break
      }
    })
  }
})
