import { Queue } from 'bullmq'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { SIDE_QUEUE } from '../../lib/cluster/bullmq/engine.ts'
import { jobIdOf } from '../../lib/cluster/bullmq/ids.ts'
import { assertUnchanged, assertValid, Leases, type Lease } from '../../lib/cluster/bullmq/leases.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix as fleetPrefix } from './fixtures/fleet.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  const prefix = `claims_${process.pid}`
  let queues = 0

  /** The leases of two processes, as far as the store can tell, in a queue of the test's own. */
  async function twoProcesses (t: Test, timeouts = [60_000, 60_000]) {
    const name = `leases${++queues}`
    const members = await Promise.all(timeouts.map(async timeout => {
      const queue = await openQueue(t, engine, prefix, name)
      return new Leases(() => queue, timeout)
    }))
    return members as [Leases, Leases]
  }
  const nobody = async () => undefined

  t.test('only one at a time holds the lease of a name', async t => {
    const leases = await twoProcesses(t)
    let holders = 0
    let held = 0
    await Promise.all(Array.from({ length: 20 }, (_, i) => leases[i % 2]!.holding('name', async () => {
      t.equal(++holders, 1)
      await sleep(2)
      holders--
      held++
    }, nobody)))
    t.equal(held, 20)
  })

  t.test('a call whose peek returns a value does not wait', async t => {
    const [here, there] = await twoProcesses(t)
    await here.holding('name', async () => {
      t.equal(await there.holding('name', async () => 'held', async () => 'seen'), 'seen')
      t.equal(await there.holding('other', async () => 'held', async () => 'seen'), 'held')
      t.equal(await there.isTaken('name'), true)
    }, nobody)
  })

  t.test('a lease that cannot be given back expires', async t => {
    const [other] = await twoProcesses(t)
    const store = openStore(engine, prefix)
    await store.connect()
    const queue = new Queue(`leases${queues}`, store.options, store.backend) as Queue
    queue.on('error', () => {})
    const leaving = new Leases(() => queue, 10_000)
    t.equal(await leaving.holding('name', async () => {
      await store.close()
      return 'done'
    }, nobody), 'done')
    t.equal(await other.holding('name', async () => 'done, too', nobody), 'done, too')
  })

  t.test('work that fails gives its lease back', async t => {
    const [here, there] = await twoProcesses(t)
    await t.rejects(here.holding('name', async () => { throw new Error('failed') }, nobody), /failed/)
    t.equal(await there.holding('name', async () => 'held', nobody), 'held')
  })

  t.test('a call whose lease has expired takes it again', async t => {
    const [here] = await twoProcesses(t)
    let times = 0
    t.equal(await here.holding('name', async lease => {
      if (++times === 1) await sleep(lease.until - Date.now() + 2) // a timer may be a millisecond early
      assertValid(lease)
      return 'held'
    }, nobody), 'held')
    t.ok(times >= 2)
  })

  t.test('a call that finds that its job has changed takes the lease again', async t => {
    const [here] = await twoProcesses(t)
    let times = 0
    t.equal(await here.holding('name', async () => {
      assertUnchanged(++times > 1)
      return 'changed'
    }, nobody), 'changed')
    t.equal(times, 2)
  })

  t.test('a call waits for a lease no longer than a verb waits', async t => {
    const [here, there] = await twoProcesses(t, [10_000, 300])
    await here.holding('name', async () => {
      await t.rejects(there.holding('name', async () => t.fail('it is held twice'), nobody), { name: 'LeaseExpired' })
    }, nobody)
  })

  t.test('the lease of a process that died expires before others give up', async t => {
    const [here, there] = await twoProcesses(t)
    const lease = await new Promise<Lease>(resolve => {
      here.holding('name', async given => {
        assertValid(given)
        resolve(given)
        await new Promise(() => {})
      }, nobody)
    })
    t.equal(await there.holding('name', async () => 'taken over', nobody), 'taken over')
    t.throws(() => assertValid(lease), { name: 'LeaseExpired' })
  })

  t.test('if other calls have a name for too long, a verb says so, and not that the server is away', async t => {
    const [{ kind, lines }] = await buildFleet(t, engine, () => {}, { apps: 1, plugin: { timeout: 20_000 } })
    const queue = await openQueue(t, engine, fleetPrefix, SIDE_QUEUE)
    const lease = await queue.add('lease', {}, { deduplication: { id: `${kind.name}:${jobIdOf('held')}`, ttl: 60_000 } })
    await t.rejects(kind.addTask(null, { name: 'held' }), { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, message: /too many calls/ })
    await lease.remove()
    t.equal(await kind.getTask('held', { optional: true }), undefined)
    t.strictSame(lines.filter(({ level }) => level >= 40), [])
  })
})
