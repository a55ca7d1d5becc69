import t from 'tap'
import { packBefore, readBefore, readJob, readReason, type TaskJob } from '../../lib/cluster/bullmq/job.ts'
import type { StoredTask } from '../../lib/cluster/engine.ts'

function ended (id: number, result: unknown): StoredTask {
  return {
    name: 'name',
    id,
    retries: 0,
    status: 'completed',
    data: 'not kept',
    progress: undefined,
    result,
    error: undefined,
    attempt: 1,
    maxAttempts: 1,
    attempts: [],
    createdAt: 1,
    startsAt: undefined,
    dueAt: 1,
    startedAt: 2,
    settledAt: 3,
    worker: undefined
  }
}

t.test('the last ten tasks of a name are remembered, the last one first', async t => {
  let before
  for (let id = 1; id <= 12; id++) before = packBefore(ended(id, id), before)
  t.strictSame(readBefore(before).map(({ id }) => id), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3])
  t.match(readBefore(before)[0], { status: 'completed', result: 12, settledAt: 3 })
  for (const left of ['data', 'dueAt']) t.notOk(left in readBefore(before)[0]!)
})

t.test('a large task pushes earlier ones out, and is not remembered itself if it is too large', async t => {
  const small = packBefore(ended(1, 'x'.repeat(3000)), undefined)
  const two = packBefore(ended(2, 'x'.repeat(3000)), small)
  t.strictSame(readBefore(packBefore(ended(3, 'x'.repeat(3000)), two)).map(({ id }) => id), [3, 2])
  t.strictSame(readBefore(packBefore(ended(3, 'x'.repeat(9000)), two)), [])
})

t.test('a reason of BullMQ is none of ours, whatever its text', async t => {
  for (const reason of [undefined, '', 'job stalled more than allowable limit', '5', 'null', '{}', '{"status":5}']) t.equal(readReason(reason), undefined)
  t.match(readReason('{"status":"failed","id":1,"at":2,"name":"Error","message":"no"}'), { status: 'failed', id: 1 })
})

t.test('a job that BullMQ itself has failed is read as a task that has stalled', t => {
  const job = { id: '~name', data: { id: 1, value: 'x' }, opts: {}, attemptsMade: 1, timestamp: 5, finishedOn: 9, returnvalue: null, failedReason: 'job stalled more than allowable limit' } as unknown as TaskJob
  t.match(readJob(job, 'failed'), { status: 'failed', error: { code: 'FST_ERR_TASK_STALLED' } })
  t.end()
})

t.test('a job without attempts is read as a task with one attempt', t => {
  const job = { id: '~name', data: { id: 1, value: 'x' }, opts: { attempts: 0 }, attemptsMade: 0, timestamp: 5, stacktrace: null, returnvalue: null } as unknown as TaskJob
  t.match(readJob(job, 'waiting'), { status: 'deferred', maxAttempts: 1, attempts: [], createdAt: 5 })
  t.end()
})

t.test('a job was due when it was added, after its delay, at the time of its schedule, or when it was retried', t => {
  const job = { id: '~name', data: { id: 1, value: 'x' }, opts: {}, attemptsMade: 0, timestamp: 5, stacktrace: null, returnvalue: null }
  const dueAt = (changes: object) => readJob({ ...job, ...changes } as unknown as TaskJob, 'waiting').dueAt
  t.equal(dueAt({}), 5)
  t.equal(dueAt({ opts: { delay: 100 }, delay: 7 }), 105)
  t.equal(dueAt({ id: 'repeat:nightly:300', data: { name: 'nightly', value: 'x' } }), 300)
  t.equal(dueAt({ data: { id: 1, value: 'x', retried: { times: 1, at: 50, stalls: 0, attempts: { value: [] } } } }), 50)
  t.end()
})

t.test('a stack that is none of ours is no attempt', t => {
  const ours = { attempt: 1, startedAt: 2, endedAt: 3, error: { name: 'Error', message: 'no' } }
  const stacktrace = ['Error: no\n    at work (app.js:1:1)', JSON.stringify(ours)]
  const job = { id: '~name', data: { id: 1, value: 'x' }, opts: {}, attemptsMade: 1, timestamp: 1, stacktrace, returnvalue: null } as unknown as TaskJob
  t.match(readJob(job, 'waiting').attempts, [ours])
  t.equal(readJob(job, 'waiting').attempts.length, 1)
  t.end()
})

t.test('attempts that end in the same millisecond are two', t => {
  const failed = { attempt: 1, startedAt: 2, endedAt: 3, error: { name: 'Error', message: 'no' } }
  const job = { id: '~name', data: { id: 1, value: 'x' }, opts: {}, attemptsMade: 2, timestamp: 1, processedOn: 3, finishedOn: 3, stacktrace: [JSON.stringify(failed)], returnvalue: { value: 'y' } } as unknown as TaskJob
  t.match(readJob(job, 'completed').attempts, [failed, { attempt: 2, startedAt: 3, endedAt: 3 }])
  t.equal(readJob({ ...job, stacktrace: [JSON.stringify(failed), JSON.stringify(failed)] } as unknown as TaskJob, 'completed').attempts.length, 2)
  t.end()
})
