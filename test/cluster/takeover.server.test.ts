import { WaitingError, type Job, type Processor } from 'bullmq'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Shared } from '../../lib/cluster/bullmq/shared.ts'
import { TaskWorker } from '../../lib/cluster/bullmq/task-worker.ts'
import { withResolvers, type Resolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue, openStore } from './fixtures/queues.ts'

/** What BullMQ keeps to itself: the locks that a worker renews. */
interface LockManager {
  readonly trackedJobs: Map<string, { token: string }>
  extendLocks (jobIds: string[]): Promise<void>
}

onEveryServer(t, (t, engine) => {
  let prefixes = 0

  /** A worker that takes jobs only when it is told to. */
  async function openWorker (t: Test, process: Processor, stallTimeout = 30_000) {
    const prefix = `takeover-${globalThis.process.pid}-${++prefixes}`
    const store = openStore(engine, prefix)
    await store.connect()
    const queue = await openQueue(t, engine, prefix, 'queue')
    const worker = new TaskWorker('queue', process, { store, options: {}, stallTimeout, health: { report () {} } } as unknown as Shared, {})
    t.teardown(async () => {
      await worker.close()
      await store.close()
    })
    await worker.waitUntilReady()
    const take = async (jobId: string, token: string) => {
      await queue.add('task', {}, { jobId })
      return await worker.getNextJob(token, { block: false }) as Job
    }
    const run = (job: Job, token: string) => worker.processJob(job, token, () => false)
    return { store, worker, take, run, locks: (worker as unknown as { lockManager: LockManager }).lockManager }
  }

  t.test('a takeover is reported without the job that cannot be read, and without the process if that may have changed', async t => {
    const { store, worker } = await openWorker(t, async () => {}, 0)
    store.workersOfExpired = async () => new Map([['~gone', 'host:1']])
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
    const ends: Resolvers<void>[] = []
    const { take, run, locks } = await openWorker(t, async () => {
      const end = withResolvers()
      ends.push(end)
      await end.promise
      throw new WaitingError()
    })
    const job = await take('~twice', 'earlier')
    const renewed = () => locks.trackedJobs.get('~twice')?.token
    for (const earlierFirst of [true, false]) {
      const runs = [run(job, 'earlier'), run(job, 'later')]
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

  t.test('a job that the worker was given again while it renewed the lock of an earlier run is not lost', async t => {
    const end = withResolvers()
    const { worker, take, run, locks } = await openWorker(t, async () => {
      await end.promise
      throw new WaitingError()
    })
    const jobs = [await take('~lost', 'expired'), await take('~again', 'expired')] as const
    const runs = jobs.map(job => run(job, 'of a lock that has expired'))
    const lost: string[][] = []
    worker.on('lockRenewalFailed', jobIds => lost.push(jobIds))
    worker.on('error', () => {})
    const { backend } = worker
    const extendLocks: TaskWorker['extendJobLocks'] = backend.extendLocks.bind(backend)
    backend.extendLocks = async (...args: Parameters<typeof extendLocks>) => {
      const refused = await extendLocks(...args)
      runs.push(run(jobs[1], 'of the new lock'))
      return refused
    }
    await locks.extendLocks(['~lost', '~again'])
    t.strictSame(lost, [['~lost']])
    end.resolve()
    await Promise.all(runs)
  })
})
