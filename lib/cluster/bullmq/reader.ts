import type { JobState } from 'bullmq'
import { setTimeout } from 'node:timers/promises'
import type { StoredTask } from '../engine.ts'
import { readJob, type TaskJob } from './job.ts'
import type { Shared } from './shared.ts'
import type { AnyQueue } from './store.ts'

/** A job as it was read, and where it was. */
export interface Read {
  readonly job: TaskJob
  readonly state: JobState | 'unknown'
}

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

  /** The claim that decides who has the name of a job. */
  claimOf (jobId: string): string {
    return `${this.#name}:${jobId}`
  }

  async task (jobId: string): Promise<Read & { readonly task: StoredTask } | undefined> {
    const read = await this.read(jobId)
    return read === undefined ? undefined : { ...read, task: await this.tell(read.job, read.state) }
  }

  /** A job and its state are two reads, and the job may end between them. */
  async read (jobId: string): Promise<Read | undefined> {
    const queue = this.#queue()
    for (let again = false; ; again = true) {
      const [job, known] = await Promise.all([queue.getJob(jobId) as Promise<TaskJob | undefined>, this.#shared.store.stateOf(queue, jobId)])
      if (job === undefined) return undefined
      // One that has run may have ended meanwhile, or waits again.
      const state = known ?? (job.processedOn === undefined ? 'waiting' : await queue.getJobState(jobId))
      const ended = state === 'completed' || state === 'failed' || state === 'unknown'
      if (job.finishedOn === undefined && ended) continue
      if (state === 'delayed' && job.delay === 0 && !again) continue // it was delayed after it had been read
      return { job, state }
    }
  }

  /** Whoever puts a job in the place of another has none there for a moment: for whom there seems to be none. */
  async afterGap (jobId: string) {
    for (;;) {
      const taken = await this.#shared.claims.isTaken(this.claimOf(jobId))
      const found = await this.task(jobId)
      if (found !== undefined || !taken) return found
      await setTimeout(10)
    }
  }

  /** A task as it is told of: what runs, or belongs to a schedule, may have a mark. */
  async tell (job: TaskJob, state: JobState | 'unknown'): Promise<StoredTask> {
    const task = readJob(job, state)
    if (task.settledAt !== undefined || (state !== 'active' && job.repeatJobKey === undefined)) return task
    const mark = await this.#shared.cancellations.markOf(this.#name, task)
    if (mark === undefined) return task
    if (state === 'active') return { ...task, status: 'cancelling' }
    return { ...task, status: 'cancelled', error: mark.error, startsAt: undefined, settledAt: mark.at }
  }
}
