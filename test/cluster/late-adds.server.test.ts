import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import t from 'tap'
import { jobIdOf } from '../../lib/cluster/bullmq/ids.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

/** What happens before the next add of a name. */
const before = new Map<string, (add: (data: object) => Promise<unknown>) => Promise<unknown>>()
const { add } = Queue.prototype
Queue.prototype.add = async function (this: Queue, name, data, options) {
  const happens = before.get(options?.jobId ?? '')
  before.delete(options?.jobId ?? '')
  await happens?.(data => add.call(this, name, data, options))
  return await add.call(this, name, data, options)
}

onEveryServer(t, (t, engine) => {
  t.test('a task is not said to be added if that of another process has taken its name at the last moment', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { plugin: { work: false }, apps: 1 })
    const late = `late-${engine.name}`
    before.set(jobIdOf(late), add => add({ id: 7, value: 'of another' }))
    await t.rejects(kind.addTask('mine', { name: late }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    t.match(await kind.getTask(late), { id: 7, data: 'of another' })
    const kept = `kept-${engine.name}`
    before.set(jobIdOf(kept), add => add({ id: 8, value: 'of another' }))
    t.match(await kind.addTask('mine', { name: kept, onDuplicate: 'keep' }), { id: 8, data: 'of another' })
  })

  t.test('no more than twenty named tasks are added at a time, as each holds a lease', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { plugin: { work: false }, apps: 1 })
    let [adding, most] = [0, 0]
    const names = Array.from({ length: 50 }, (_, i) => `${engine.name} ${i}`)
    for (const name of names) {
      before.set(jobIdOf(name), async () => {
        most = Math.max(most, ++adding)
        await nextTurn()
        adding--
      })
    }
    await kind.addTasks(names.map(name => ({ name, data: 1 })))
    t.ok(most <= 20, `${most} at a time`)
    t.equal((await kind.count()).deferred, 50)
  })

  t.test('an add that takes long while the app closes is done', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const [begun, gate] = [withResolvers(), withResolvers()]
    const name = `slow-${engine.name}`
    before.set(jobIdOf(name), async () => {
      begun.resolve()
      await gate.promise
    })
    const added = here.kind.addTask(1, { name })
    await begun.promise
    const closed = here.app.close()
    await sleep(1500) // longer than connections have to close
    gate.resolve()
    t.equal((await added).name, name)
    await closed
    t.equal((await there.kind.getTask(name)).status, 'deferred')
  })
})
