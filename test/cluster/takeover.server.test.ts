import { once } from 'node:events'
import t from 'tap'
import type { Shared } from '../../lib/cluster/bullmq/shared.ts'
import { TaskWorker } from '../../lib/cluster/bullmq/task-worker.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openStore } from './fixtures/queues.ts'

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
})
