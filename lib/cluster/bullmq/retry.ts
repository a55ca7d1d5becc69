import { setTimeout } from 'node:timers/promises'
import type { StoredTask } from '../engine.ts'
import { moveBack } from './canceller.ts'
import { readReason, type JobData } from './job.ts'
import { pack } from './packed.ts'
import type { Read } from './reader.ts'

/** Milliseconds after which a job that was taken while its cancellation was undone counts as running. */
const TAKEN = 2000
/** Milliseconds between two reads of such a job. */
const POLL = 20

/**
 * Makes the job of a settled task wait again: with its data, its priority and its last progress, and its attempts counted from 1.
 * The caller holds the lease of its name. `replaceData` throws if the job has changed since it was read.
 */
export async function retryJob ({ job, state, task }: Read & { task: StoredTask }, read: () => Promise<Read | undefined>, replaceData: (data: JobData) => Promise<void>): Promise<void> {
  const { cancelled, ...data } = job.data
  const retried = { times: task.retries + 1, at: Date.now(), stalls: job.stalledCounter, attempts: pack(task.attempts) }
  if (cancelled !== undefined) await moveBack(job)
  await replaceData({ ...data, retried } as JobData)
  if (state === 'completed' || state === 'failed') return await moveToWait(job, state)
  // It was cancelled while it waited, and still waits. A worker that took it before this write ends it at once as cancelled.
  for (const until = Date.now() + TAKEN; Date.now() < until; await setTimeout(POLL)) {
    const present = await read()
    if (present?.state === 'failed' && readReason(present.job.failedReason)?.unrun === true) return await moveToWait(present.job, 'failed')
    if (present?.state !== 'active') return
  }
}

async function moveToWait (job: Read['job'], state: 'completed' | 'failed'): Promise<void> {
  await job.retry(state, { resetAttemptsMade: true, resetAttemptsStarted: true })
}
