import t, { type Test } from 'tap'
import { Events } from '../../lib/cluster/bullmq/events.ts'
import type { Shared } from '../../lib/cluster/bullmq/shared.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  /** The events of a queue, and how to add to them. */
  async function buildEvents (t: Test, name: string, { lookAgain = 60_000 } = {}) {
    const prefix = `events_${process.pid}`
    const queue = await openQueue(t, engine, prefix, name)
    const store = openStore(engine, prefix)
    await store.connect()
    Object.defineProperty(store, 'lookAgain', { value: lookAgain })
    const publish = async (event: string, jobId: string) => await queue.getBackend().publishEvent({ event, jobId }, 1000)
    const events = new Events(name, { store, options: {}, health: { report () {} } } as unknown as Shared, publish)
    t.teardown(() => {
      events.close()
      return store.close()
    })
    return { events, publish }
  }

  t.test('who has caught up knows of all that has happened', async t => {
    const { events, publish } = await buildEvents(t, 'caught')
    let changes = 0
    events.watch('~job', () => { changes++ })
    await events.listening()
    const before = changes
    await publish('active', '~other')
    await publish('cancelling', '~job')
    await events.caughtUp()
    t.equal(changes, before + 1)
  })

  t.test('who watches looks from time to time, as an event may be passed over, and nobody does after that', async t => {
    const { events } = await buildEvents(t, 'again', { lookAgain: 20 })
    for (const jobId of ['~job', undefined]) {
      let changes = 0
      await new Promise<void>(resolve => {
        const leave = events.watch(jobId, () => {
          if (++changes < 5) return
          leave()
          resolve()
        })
      })
      t.equal(changes, 5)
    }
  })

  t.test('events may be closed before they have begun to come', async t => {
    const { events } = await buildEvents(t, 'early')
    const listening = events.listening()
    events.close()
    await listening
    t.pass('it does not wait for what cannot come')
  })
})
