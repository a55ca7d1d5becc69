import { WaitingError } from 'bullmq'
import { once } from 'node:events'
import t from 'tap'
import type { Shared } from '../../lib/cluster/bullmq/shared.ts'
import { TaskWorker } from '../../lib/cluster/bullmq/task-worker.ts'
import { withResolvers, type Resolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  t.test('a takeover is reported without the job that cannot be read, and without the process if that may have changed', async t => {
    const store = openStore(engine, `takeover-${process.pid}`)
    await store.connect()
    store.workersOfExpired = async () => new Map([['~gone', 'host:1']])
    const worker = new TaskWorker('queue', async () => {}, { store, options: {}, stallTimeout: 0, health: { report () {} } } as unknown as Shared, {})
    t.teardown(async () => {
      await worker.close()
      await store.close()
    })
    await worker.waitUntilReady()
    worker.backend.moveStalledJobsToWait = async () => ['~gone']
    worker.backend.getJobData = async () => { throw new Error('away') }
    const target = new EventTarget()
    const reported: unknown[] = []
    const done = once(target, 'reported')
    worker.onTakeover((...takeover) => {
      reported.push(takeover)
      target.dispatchEvent(new Event('reported'))
    })
    await worker.backend.moveStalledJobsToWait()
    await done
    t.strictSame(reported, [['~gone', undefined, undefined]])
  })

  t.test('the lock of a later run is renewed when an earlier run of the same job has ended, and not when it has ended itself', async t => {
    const prefix = `takeover-locks-${process.pid}`
    const store = openStore(engine, prefix)
    await store.connect()
    const queue = await openQueue(t, engine, prefix, 'queue')
    const ends: Resolvers<void>[] = []
    const worker = new TaskWorker('queue', async () => {
      const end = withResolvers()
      ends.push(end)
      await end.promise
      throw new WaitingError()
    }, { store, options: {}, stallTimeout: 30_000, health: { report () {} } } as unknown as Shared, {})
    t.teardown(async () => {
      await worker.close()
      await store.close()
    })
    await worker.waitUntilReady()
    await queue.add('task', {}, { jobId: '~twice' })
    const job = await worker.getNextJob('earlier', { block: false })
    const run = (token: string) => worker.processJob(job!, token, () => false)
    const renewed = () => (worker as unknown as { lockManager: { trackedJobs: Map<string, { token: string }> } }).lockManager.trackedJobs.get('~twice')?.token
    for (const earlierFirst of [true, false]) {
      const runs = [run('earlier'), run('later')]
      const [first, second] = earlierFirst ? [0, 1] : [1, 0]
      ends[first]!.resolve()
      await runs[first]
      t.equal(renewed(), earlierFirst ? 'later' : undefined)
      ends[second]!.resolve()
      await runs[second]
      t.equal(renewed(), undefined)
      ends.length = 0
    }
  })
})
