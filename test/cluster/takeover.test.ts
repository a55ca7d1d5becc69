import t from 'tap'
import type { TaskJob } from '../../lib/cluster/bullmq/job.ts'
import { takeoverLine } from '../../lib/cluster/bullmq/takeover.ts'

const job = (stalledCounter: number, data: object = {}, id = '~a') => ({ id, stalledCounter, data: { id: 1, ...data } }) as unknown as TaskJob
const known = { kind: 'report', jobId: '~a', worker: { host: 'h', pid: 5 }, maxStalls: 2 }

t.test('a takeover is told with the task, its process and how often it was taken over', async t => {
  t.strictSame(takeoverLine({ ...known, job: job(1) }), {
    details: { kind: 'report', task: 'a', worker: { host: 'h', pid: 5 } },
    message: 'task "a" of kind "report" is taken over: its process h:5 has vanished or stood still (1 of 2 takeovers)'
  })
  t.match(takeoverLine({ ...known, job: job(1), maxStalls: 1 })!.message, '(1 of 1 takeover)')
  t.match(takeoverLine({ ...known, job: job(1), worker: undefined })!.message, 'taken over: its process has vanished')
})

t.test('takeovers before a retry do not count', async t => {
  t.match(takeoverLine({ ...known, job: job(5, { retried: { stalls: 3 } }) })!.message, '(2 of 2 takeovers)')
})

t.test('a task that has stalled too often is not taken over', async t => {
  t.equal(takeoverLine({ ...known, job: job(3) }), undefined)
})

t.test('a task that is gone by then is told without a count, by its name or else by the id of its job', async t => {
  t.match(takeoverLine({ ...known, job: undefined })!.message, /^task "a" .* stood still$/)
  t.match(takeoverLine({ ...known, jobId: '~%-digest', job: undefined })!.message, /^task "~%-digest"/)
  t.match(takeoverLine({ ...known, jobId: '~%-digest', job: job(1, { name: 'long' }, '~%-digest') })!.message, /^task "long"/)
})
