import type { JobState } from 'bullmq'
import type { Cancelled, StoredError, StoredTask } from '../engine.ts'
import { jobIdOf } from './ids.ts'
import { identityOf, readJob, toReason, type TaskJob } from './job.ts'
import { assertValid } from './leases.ts'
import { pack } from './packed.ts'
import { replaceData, type Parts } from './parts.ts'

/** Cancels the tasks of a queue: a waiting task in the data of its job, a running one by a mark and a message. */
export class Canceller {
  readonly #parts: Parts

  constructor (parts: Parts) {
    this.#parts = parts
  }

  async cancel (name: string, id: number | undefined, reason: StoredError): Promise<StoredTask | undefined> {
    return (await this.#cancel(name, id, reason, async () => false))?.task
  }

  async cancelFirst (name: string, id: number, reason: StoredError): Promise<Cancelled | undefined> {
    return await this.#cancel(name, id, reason, (task, markedAt) => this.#markFirst(task, reason, markedAt))
  }

  /**
   * Cancels a task. If it runs or belongs to a schedule, it is marked. `isFirst` is called before that and says whether this call is the
   * first to cancel it: undefined if the task has settled meanwhile.
   */
  async #cancel (
    name: string, id: number | undefined, reason: StoredError, isFirst: (task: StoredTask, markedAt: number) => Promise<boolean | undefined>
  ): Promise<Cancelled | undefined> {
    const jobId = jobIdOf(name)
    const marked = { at: NaN } // when this call marked the waiting task. The worker that takes it ends it as cancelled
    let wasFirst = false
    for (;;) {
      const read = await this.#parts.reader.read(jobId) ?? await this.#parts.reader.afterGap(jobId)
      if (read === undefined) return undefined
      const { job, state } = read
      // A running task may have a mark already. It does not matter: the first mark stays.
      const task = state === 'active' ? readJob(job, state) : await this.#parts.reader.toTask(job, state)
      if (id !== undefined && task.id !== id) return undefined
      if (task.settledAt !== undefined) return { task, isFirst: task.status === 'cancelled' && (wasFirst || job.data.cancelled?.at === marked.at) }
      if (state !== 'active' && job.repeatJobKey === undefined) {
        const cancelled = await this.#cancelDeferred(jobId, task.id, reason, marked)
        if (cancelled !== undefined) return { task: cancelled, isFirst: true }
        continue
      }
      const first = await isFirst(task, marked.at)
      if (first === undefined) continue
      wasFirst ||= first
      const cancelled = await this.#mark(task, state, reason)
      if (cancelled !== undefined) return { task: cancelled, isFirst: wasFirst }
    }
  }

  /**
   * Marks a waiting task as cancelled, so that the worker that takes it does not run it, and moves it to the front. Returns undefined
   * if a worker took it before: then it is cancelled as a running one.
   */
  async #cancelDeferred (jobId: string, id: number, reason: StoredError, marked: { at: number }): Promise<StoredTask | undefined> {
    return await this.#parts.shared.leases.holding(this.#parts.reader.leaseOf(jobId), async lease => {
      const found = await this.#parts.reader.task(jobId)
      if (found?.task.id !== id || found.task.status !== 'deferred') return undefined
      const { job, task: { attempt, startedAt, worker } } = found
      const cancelled = { error: pack(reason), at: Date.now(), attempt, startedAt, worker, starts: job.attemptsStarted }
      const mark = (settled: boolean) => replaceData(this.#parts, job, { ...job.data, cancelled: { ...cancelled, settled } }, lease)
      await mark(false)
      marked.at = cancelled.at
      const read = await this.#parts.reader.read(jobId)
      if (read === undefined || read.state === 'active' || read.job.finishedOn !== undefined) return undefined
      await this.#settle(cancelledAt(found.task, reason, cancelled.at), () => mark(true))
      await moveToFront(job)
      return readJob(job, 'waiting')
    })
  }

  /**
   * Stores the mark of a cancellation, for the process that takes the task next, and notifies the one that runs it. The process that ends
   * the task removes its mark. If the task ended before the mark was stored, this does. Undefined if a waiting task did so.
   */
  async #mark (task: StoredTask, state: JobState | 'unknown', reason: StoredError): Promise<StoredTask | undefined> {
    const { name, shared: { cancellations } } = this.#parts
    const marked = cancellations.mark(name, task, reason)
    if (state === 'active') await Promise.all([marked, this.#notify(task, reason, marked)])
    else await marked
    const present = await this.#readUnsettled(task)
    const isOver = present?.task.retries !== task.retries
    if (isOver) cancellations.forget(name, task)
    if (state !== 'active') {
      if (isOver) return undefined
      if (present.task.status === 'deferred') {
        const cancelled = cancelledAt(task, reason, Date.now())
        await this.#settle(cancelled, () => cancellations.settle(name, task))
        return cancelled
      }
      await this.#notify(task, reason, marked) // a worker has taken it, perhaps before it was marked
    }
    return { ...task, status: 'cancelling' }
  }

  /** Notifies the process that runs a task, and, once it is marked, those who watch it. */
  async #notify (task: StoredTask, reason: StoredError, marked: Promise<void>): Promise<void> {
    const { name, publish, shared: { cancellations } } = this.#parts
    await Promise.all([cancellations.notify(name, task, reason), marked.then(() => publish('cancelling', jobIdOf(task.name)))])
  }

  /** Announces that a waiting task has settled as cancelled, stores that, and notifies those who watch it. */
  async #settle (cancelled: StoredTask, store: () => Promise<void>): Promise<void> {
    const { announcements, publish } = this.#parts
    await announcements?.add(cancelled)
    await store()
    await publish('cancelled', jobIdOf(cancelled.name), toReason({ status: 'cancelled', ...identityOf(cancelled), at: cancelled.settledAt!, ...cancelled.error! }))
  }

  /** Reads a task again. Undefined if it has settled, its marks left aside, or if it has lost its name. */
  async #readUnsettled ({ id, name }: StoredTask): Promise<{ job: TaskJob, task: StoredTask } | undefined> {
    const read = await this.#parts.reader.read(jobIdOf(name))
    const task = read === undefined ? undefined : readJob(read.job, read.state)
    return task?.id === id && task.settledAt === undefined ? { job: read!.job, task } : undefined
  }

  /** Stores the mark of a cancellation, unless the task was marked before. Returns whether this call was the first; undefined if the task has settled. */
  async #markFirst (task: StoredTask, reason: StoredError, markedAt: number): Promise<boolean | undefined> {
    const jobId = jobIdOf(task.name)
    return await this.#parts.shared.leases.holding(this.#parts.reader.leaseOf(jobId), async lease => {
      const mark = await this.#parts.shared.cancellations.markOf(this.#parts.name, task)
      const present = await this.#readUnsettled(task) // after the mark, which is removed once the task has settled
      if (present === undefined) return undefined
      if (mark !== undefined) return false
      const { cancelled } = present.job.data
      if (cancelled !== undefined) return cancelled.at === markedAt
      assertValid(lease)
      await this.#parts.shared.cancellations.mark(this.#parts.name, task, reason)
      return true
    })
  }
}

/** A task that waits, as it is once it is cancelled. */
function cancelledAt (task: StoredTask, reason: StoredError, settledAt: number): StoredTask {
  return { ...task, status: 'cancelled', error: reason, startsAt: undefined, settledAt }
}

/** Nothing is to be moved: the job is not delayed any more, has started, or is gone. */
function stay () {}

/** Moves a job that waits to the front of the queue. Does nothing to a job that has started. */
async function moveToFront (job: TaskJob) {
  await job.promote().catch(stay)
  await job.changePriority({ priority: 0, lifo: true }).catch(stay)
}

/** Undoes `moveToFront`: gives a job its own priority again. If it still waits, it goes behind the others of that priority. */
export async function moveBack (job: TaskJob): Promise<void> {
  await job.changePriority({ priority: job.opts.priority ?? 0 }).catch(stay)
}
