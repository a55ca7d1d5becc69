import t from 'tap'
import { Cancellations } from '../../lib/cluster/bullmq/cancellations.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  t.test('a process remembers for a while a cancellation that came before the task', async t => {
    const prefix = `cancellations_${process.pid}`
    const side = await openQueue(t, engine, prefix, 'side')
    const store = openStore(engine, prefix)
    await store.connect()
    t.teardown(() => store.close())
    store.reserve()
    const options = { ...store.options, namespace: 'tasks', backend: store.relayBackend }
    const cancellations = new Cancellations(() => side, options, () => {}, 50)
    t.teardown(() => cancellations.close())
    const told = async (id: number) => await new Promise<void>(resolve => {
      cancellations.listen('queue', () => resolve()).then(() => cancellations.notify('queue', { name: 'task', id, retries: 0 }, { name: 'AbortError', message: `told of ${id}`, code: undefined }))
    })
    await told(1)
    t.match(cancellations.recall('queue', { name: 'task', id: 1, retries: 0 }), { message: 'told of 1' })
    t.equal(cancellations.recall('other', { name: 'task', id: 1, retries: 0 }), undefined)
    const before = Date.now()
    while (Date.now() <= before + 50) await told(2)
    t.equal(cancellations.recall('queue', { name: 'task', id: 1, retries: 0 }), undefined)
  })
})
