import type { Answered } from './health-monitor.ts'
import { jobIdOf } from './ids.ts'
import { assertValid, type Lease } from './leases.ts'
import { readPage } from './pages.ts'
import type { Parts } from './parts.ts'
import type { Read } from './reader.ts'

/** Jobs that one command removes at most. */
const CLEANED_AT_ONCE = 200

/** Removes settled tasks from a queue. */
export class Remover {
  readonly #parts: Parts

  constructor (parts: Parts) {
    this.#parts = parts
  }

  /** Removes all of them; returns how many. */
  async removeAll (answered: Answered): Promise<number> {
    const dropped = await Promise.all([this.#clean('completed', answered), this.#clean('failed', answered)])
    const cancelled = await this.#removeCancelled(answered)
    const ended = await this.#clean('failed', answered) // those that a worker was ending as cancelled meanwhile
    return dropped[0] + dropped[1] + cancelled + ended
  }

  /** Removes a task; returns whether it did. */
  async removeTask (name: string, id: number): Promise<boolean> {
    const jobId = jobIdOf(name)
    return await this.#parts.shared.leases.holding(this.#parts.reader.leaseOf(jobId), async lease => {
      const found = await this.#parts.reader.task(jobId)
      return found?.task.id === id && found.task.settledAt !== undefined && await this.removeJob(found, lease)
    })
  }

  /** Removes a settled job, unless it runs, belongs to another task now, or is the next one of a schedule. The caller holds the lease of its name. */
  async removeJob ({ job }: Read, lease: Lease): Promise<boolean> {
    if (job.repeatJobKey !== undefined && job.finishedOn === undefined) return false
    assertValid(lease)
    return await this.#parts.shared.store.removeJob(this.#parts.queue(), job)
  }

  /** Removes all jobs in this state, a batch at a time: one command for all would block the server. Returns how many. */
  async #clean (state: 'completed' | 'failed', answered: Answered): Promise<number> {
    const future = -86_400_000 // the clocks of others may be ahead
    for (let count = 0; ;) {
      const removed = await this.#parts.queue().clean(future, CLEANED_AT_ONCE, state)
      answered()
      count += removed.length
      if (removed.length < CLEANED_AT_ONCE) return count
    }
  }

  /** Removes the tasks that were cancelled before they started and still wait for a worker. Returns how many. */
  async #removeCancelled (answered: Answered): Promise<number> {
    for (let count = 0; ;) {
      const page = await readPage(this.#parts.queue(), (job, state) => this.#parts.reader.toTask(job, state), new Set(['cancelled']), 0, CLEANED_AT_ONCE, answered)
      const taken = await Promise.all(page.map(({ name, id }) => this.removeTask(name, id).finally(answered)))
      const removed = taken.filter(Boolean).length
      if (removed === 0) return count
      count += removed
    }
  }
}
