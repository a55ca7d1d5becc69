import { AsyncLocalStorage } from 'node:async_hooks'
import t from 'tap'
import { HealthMonitor } from '../../lib/cluster/bullmq/health-monitor.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

const counting = new AsyncLocalStorage<{ steps: number }>()
const { run } = HealthMonitor.prototype
HealthMonitor.prototype.run = async function (operation) {
  return await run.call(this, async answered => await operation(() => {
    const count = counting.getStore()
    if (count !== undefined) count.steps++
    answered()
  })) as any
}

/** Counts the steps of a verb: for each it waits as long as `timeout` says. */
async function stepsOf (verb: () => Promise<unknown>): Promise<number> {
  const count = { steps: 0 }
  await counting.run(count, verb)
  return count.steps
}

onEveryServer(t, (t, engine) => {
  t.test('the timeout of a verb counts anew after each hundred tasks, and after each named task', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await kind.pause()
    const many = Array.from({ length: 250 }, (_, i) => i)
    t.equal(await stepsOf(() => kind.addTasks(many.map(data => ({ data, name: `task ${data}` })))), 253)
    t.equal(await stepsOf(() => kind.addTasks(many.map(data => ({ data })))), 3)
    t.ok(await stepsOf(() => kind.tasks({ limit: 500 })) >= 5)
    t.ok(await stepsOf(() => kind.tasks({ limit: 500, name: 'task' })) >= 3)
    await kind.resume()
    await kind.idle()
    t.ok(await stepsOf(() => kind.purgeTasks()) >= 3)
    t.strictSame(await kind.tasks(), [])
    await kind.pause()
    await kind.addTasks(many.slice(0, 50).map(data => ({ data })))
    await kind.cancelTasks()
    t.ok(await stepsOf(() => kind.purgeTasks()) >= 50)
    t.strictSame(await kind.tasks(), [])
  })
})
