import t from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { openStore, openQueue } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  const prefix = `fences_${process.pid}`

  async function open (t: Parameters<typeof openQueue>[0], name: string) {
    const store = openStore(engine, prefix)
    await store.connect()
    t.teardown(() => store.close())
    const queue = await openQueue(t, engine, prefix, name)
    const read = async (id: string) => (await queue.getJob(id))!
    return { store, queue, read }
  }

  t.test('a process that goes on long after it has read a job does not change a later job of that name', async t => {
    const { store, queue, read } = await open(t, 'successors')
    await queue.add('task', { id: 1, value: { text: 'ä"\\' } }, { jobId: 'name' })
    const late = await read('name')
    t.equal(await store.removeJob(queue, await read('name')), true)
    t.equal(await read('name') ?? undefined, undefined)
    await queue.add('task', { id: 2 }, { jobId: 'name' })
    t.equal(await store.replaceData(queue, late, { id: 1, cancelled: true }), false)
    t.equal(await store.removeJob(queue, late), false)
    t.strictSame((await read('name')).data, { id: 2 })
    t.equal(await queue.getWaitingCount(), 1)
  })

  t.test('if two processes replace the data of a job that both have read, one of them does', async t => {
    const { store, queue, read } = await open(t, 'replaced')
    await queue.add('task', { id: 1 }, { jobId: 'name', delay: 60_000 })
    const [one, other] = [await read('name'), await read('name')]
    t.equal(await store.replaceData(queue, one, { id: 1, by: 'one' }), true)
    t.equal(await store.replaceData(queue, other, { id: 1, by: 'other' }), false)
    t.equal(await store.removeJob(queue, other), false)
    t.strictSame((await read('name')).data, { id: 1, by: 'one' })
    t.equal(await store.removeJob(queue, await read('name')), true)
    t.equal(await queue.getDelayedCount(), 0)
  })

  t.test('a process that read a job before it ran changes it neither while it runs nor when it has ended', async t => {
    const { store, queue, read } = await open(t, 'ended')
    const { Worker } = await import('bullmq')
    const worker = new Worker('ended', null, { ...store.options, autorun: false }, store.backend)
    worker.on('error', () => {})
    t.teardown(() => worker.close())
    await worker.waitUntilReady()
    await queue.add('task', { id: 1 }, { jobId: 'name' })
    const before = await read('name')
    const taken = await worker.getNextJob('token', { block: false })
    t.equal(taken?.id, 'name')
    t.equal(await store.removeJob(queue, await read('name')), false)
    await taken!.moveToCompleted('done', 'token', false)
    t.equal(await store.replaceData(queue, before, { id: 1, cancelled: true }), false)
    t.equal(await store.removeJob(queue, before), false)
    t.match(await read('name'), { data: { id: 1 }, returnvalue: 'done' })
    t.equal(await store.removeJob(queue, await read('name')), true)
    t.equal(await queue.getCompletedCount(), 0)
  })
})
