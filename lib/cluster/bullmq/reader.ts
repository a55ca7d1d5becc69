import type { JobState } from 'bullmq'
import { setTimeout } from 'node:timers/promises'
import type { StoredTask } from '../engine.ts'
import { readJob, type TaskJob } from './job.ts'
import type { Shared } from './shared.ts'
import type { AnyQueue } from './store.ts'

/** A job as it was read, and its state. */
export interface Read {
  readonly job: TaskJob
  readonly state: JobState | 'unknown'
}

/** How often a job is read at most whose state does not fit it. After that it is assumed that something else has damaged it. */
const READS = 10

/** Reads the tasks of a queue. */
export class Reader {
  readonly #name: string
  readonly #queue: () => AnyQueue
  readonly #shared: Shared

  constructor (name: string, queue: () => AnyQueue, shared: Shared) {
    this.#name = name
    this.#queue = queue
    this.#shared = shared
  }

  /** The id of the lease for the name of a job. */
  leaseOf (jobId: string): string {
    return `${this.#name}:${jobId}`
  }

  async task (jobId: string): Promise<Read & { readonly task: StoredTask } | undefined> {
    const read = await this.read(jobId)
    return read === undefined ? undefined : { ...read, task: await this.toTask(read.job, read.state) }
  }

  /**
   * Reads a job and its state. Those are two reads, and the job may end between them: then it reads again. A damaged job, such as one
   * whose place in the queue Redis has evicted, says that it has not ended though its state is `unknown`, or that of a job that has.
   */
  async read (jobId: string): Promise<Read | undefined> {
    const queue = this.#queue()
    for (let reads = 1; ; reads++) {
      const [job, known] = await Promise.all([queue.getJob(jobId) as Promise<TaskJob | undefined>, this.#shared.store.stateOf(queue, jobId)])
      if (job === undefined) return undefined
      // A job that has run before may have ended meanwhile, or may wait again.
      const state = known ?? (job.processedOn === undefined ? 'waiting' : await queue.getJobState(jobId))
      const ended = state === 'completed' || state === 'failed' || state === 'unknown'
      if (job.finishedOn === undefined && ended && reads < READS) continue
      if (state === 'delayed' && job.delay === 0 && reads === 1) continue // it was delayed after it was read
      return { job, state }
    }
  }

  /** While a job is being replaced there is briefly no job of that name. If the name is leased, reads again. */
  async afterGap (jobId: string) {
    for (;;) {
      const taken = await this.#shared.leases.isTaken(this.leaseOf(jobId))
      const found = await this.task(jobId)
      if (found !== undefined || !taken) return found
      await setTimeout(10)
    }
  }

  /** Turns a job into a task. A job that runs, or belongs to a schedule, may have a mark of its cancellation. */
  async toTask (job: TaskJob, state: JobState | 'unknown'): Promise<StoredTask> {
    const task = readJob(job, state)
    if (task.settledAt !== undefined || (state !== 'active' && job.repeatJobKey === undefined)) return task
    const mark = await this.#shared.cancellations.markOf(this.#name, task)
    if (mark === undefined) return task
    // A worker may have taken it before it was marked.
    if (!mark.settled) return state === 'active' ? { ...task, status: 'cancelling' } : task
    return { ...task, status: 'cancelled', error: mark.error, startsAt: undefined, settledAt: mark.at }
  }
}
