import type { Job, Queue } from 'bullmq'
import t from 'tap'
import { Cancellations, tryOf } from '../../lib/cluster/bullmq/cancellations.ts'
import { blank } from '../../lib/cluster/bullmq/job.ts'
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
    await told(2) // what is too old is forgotten when another one is remembered
    t.equal(cancellations.recall('queue', { name: 'task', id: 1, retries: 0 }), undefined)
  })

  t.test('a mark that the worker has removed meanwhile need not be settled; any other error is passed on', async t => {
    const side = await openQueue(t, engine, `settle_${process.pid}`, 'side')
    const cancellations = new Cancellations(() => side, {} as never, () => {})
    const task = { ...blank, name: 'task', id: 1 }
    await cancellations.settle('queue', task)
    await cancellations.mark('queue', task, { name: 'AbortError', message: 'not wanted', code: undefined })
    await cancellations.settle('queue', task)
    t.match(await cancellations.markOf('queue', task), { settled: true, error: { message: 'not wanted' } })
    const getJob: Queue['getJob'] = side.getJob.bind(side)
    const changeJob = (change: (job: Job) => void) => {
      side.getJob = async id => {
        const job = (await getJob(id))!
        change(job)
        return job
      }
    }
    changeJob(job => { job.updateData = async () => { throw new Error('it broke') } })
    await t.rejects(cancellations.settle('queue', task), { message: 'it broke' })
    changeJob(job => {
      const updateData = job.updateData.bind(job)
      job.updateData = async data => {
        await job.remove()
        await updateData(data)
      }
    })
    await cancellations.settle('queue', task)
    t.equal(await getJob(`~${tryOf(task)}@queue`), undefined)
  })
})
