import type { ClusterWorker } from '../../../types/cluster.ts'
import { nameOf } from './ids.ts'
import { nameOfJob, stallsOf, type TaskJob } from './job.ts'

/** What is known of a job that BullMQ has moved back to the queue, because its lock had expired. */
export interface Takeover {
  readonly kind: string
  readonly jobId: string
  /** As it is after that. Undefined if it is gone: another process has run it by now. */
  readonly job: TaskJob | undefined
  /** The process that had the lock, if that is certain. */
  readonly worker: ClusterWorker | undefined
  readonly maxStalls: number
}

/** The log line of a takeover. Undefined if the task has stalled too often: whoever takes it logs that it has failed. */
export function takeoverLine ({ kind, jobId, job, worker, maxStalls }: Takeover): { details: object, message: string } | undefined {
  const stalls = job === undefined ? 0 : stallsOf(job)
  if (stalls > maxStalls) return undefined
  const task = job === undefined ? nameOf(jobId) ?? jobId : nameOfJob(job)
  const whose = worker === undefined ? 'its process' : `its process ${worker.host}:${worker.pid}`
  const count = stalls === 0 ? '' : ` (${stalls} of ${maxStalls} ${maxStalls === 1 ? 'takeover' : 'takeovers'})`
  return { details: { kind, task, worker }, message: `task "${task}" of kind "${kind}" is taken over: ${whose} has vanished or stood still${count}` }
}
