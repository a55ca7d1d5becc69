import { Queue } from 'bullmq'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { assertValid, Claims, type Claim } from '../../lib/cluster/bullmq/claims.ts'
import { PostgresStore } from '../../lib/cluster/bullmq/postgres.ts'
import { RedisStore } from '../../lib/cluster/bullmq/redis.ts'
import { onEveryServer } from './fixtures/engines.ts'

onEveryServer(t, (t, engine) => {
  /** The claims of two processes, as far as the store can tell. */
  async function twoProcesses (t: Test) {
    const members = await Promise.all([1, 2].map(async () => {
      const store = engine.name === 'redis'
        ? new RedisStore(engine.connection!, `claims-${process.pid}`)
        : new PostgresStore(engine.connection!, `claims_${process.pid}`, 5000, true)
      await store.connect()
      const queue = new Queue('claims', store.options, store.backend) as Queue
      queue.on('error', () => {})
      t.teardown(async () => {
        await queue.close()
        await store.close()
      })
      return new Claims(() => queue)
    }))
    return members as [Claims, Claims]
  }
  const nobody = async () => undefined

  t.test('one at a time holds a name, of all that want it', async t => {
    const claims = await twoProcesses(t)
    let holders = 0
    let held = 0
    await Promise.all(Array.from({ length: 20 }, (_, i) => claims[i % 2]!.holding('name', async () => {
      t.equal(++holders, 1)
      await sleep(2)
      holders--
      held++
    }, nobody)))
    t.equal(held, 20)
  })

  t.test('who learns what it wants to know does not wait', async t => {
    const [here, there] = await twoProcesses(t)
    await here.holding('name', async () => {
      t.equal(await there.holding('name', async () => 'held', async () => 'seen'), 'seen')
      t.equal(await there.holding('other', async () => 'held', async () => 'seen'), 'held')
      t.equal(await there.isTaken('name'), true)
    }, nobody)
  })

  t.test('what fails gives its claim back', async t => {
    const [here, there] = await twoProcesses(t)
    await t.rejects(here.holding('name', async () => { throw new Error('failed') }, nobody), /failed/)
    t.equal(await there.holding('name', async () => 'held', nobody), 'held')
  })

  t.test('the claim of a process that died ends by itself', async t => {
    const [here, there] = await twoProcesses(t)
    const claim = await new Promise<Claim>(resolve => {
      here.holding('name', async given => {
        assertValid(given)
        resolve(given)
        await new Promise(() => {})
      }, nobody)
    })
    t.equal(await there.holding('name', async () => 'taken over', nobody), 'taken over')
    t.throws(() => assertValid(claim), { name: 'ClaimExpired' })
  })
})
