import t, { type Test } from 'tap'
import { Events } from '../../lib/cluster/bullmq/events.ts'
import type { Shared } from '../../lib/cluster/bullmq/shared.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  /** The events of a queue, and how to add to them. */
  async function buildEvents (t: Test, name: string, { pollInterval = 60_000 } = {}) {
    const prefix = `events_${process.pid}`
    const queue = await openQueue(t, engine, prefix, name)
    const store = openStore(engine, prefix)
    await store.connect()
    Object.defineProperty(store, 'pollInterval', { value: pollInterval })
    const publish = async (event: string, jobId: string) => await queue.getBackend().publishEvent({ event, jobId }, 1000)
    const events = new Events(name, { store, options: {}, health: { report () {} } } as unknown as Shared, { publish, versionsOf: jobIds => store.versionsOf(queue, jobIds) })
    t.teardown(() => {
      events.close()
      return store.close()
    })
    return { queue, events, publish }
  }

  t.test('after caughtUp() all earlier events have arrived', async t => {
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

  t.test('a watcher of a queue is notified at each poll, until it leaves', async t => {
    const { events } = await buildEvents(t, 'queue', { pollInterval: 20 })
    let changes = 0
    await new Promise<void>(resolve => {
      const leave = events.watch(undefined, () => {
        if (++changes < 5) return
        leave()
        resolve()
      })
    })
    t.equal(changes, 5)
  })

  t.test('a watcher of a job is notified of a change whose event was lost, and of no other', async t => {
    const { queue, events } = await buildEvents(t, 'lost', { pollInterval: 20 })
    const job = await queue.add('lost', { text: 'first' }, { jobId: '~lost' })
    let notify = () => {}
    let changes = 0
    const change = () => new Promise<void>(resolve => { notify = resolve })
    const first = change()
    events.watch('~lost', () => {
      changes++
      notify()
    })
    events.watch('~other', () => { changes++ })
    await first
    await events.listening()
    await events.caughtUp()
    await events.pollOnce() // now it knows the versions
    const before = changes
    await events.pollOnce() // in which nothing changes
    const second = change()
    await job.updateData({ text: 'second' }) // of which BullMQ publishes no event
    await second
    t.equal(changes, before + 1)
    const third = change()
    await queue.remove('~lost')
    await third
  })

  t.test('a watcher that could not read its job is notified again, though the job has not changed since', async t => {
    const { queue, events } = await buildEvents(t, 'unread', { pollInterval: 20 })
    await queue.add('unread', {}, { jobId: '~unread' })
    await events.listening()
    let reads = 0
    await new Promise<void>(resolve => {
      events.watch('~unread', async () => {
        if (++reads === 5) resolve()
        return false
      })
    })
    t.equal(reads, 5)
  })

  t.test('events may be closed before they have begun to come', async t => {
    const { events } = await buildEvents(t, 'early')
    const listening = events.listening()
    events.close()
    await listening
    t.pass('it does not wait for what cannot come')
  })
})
