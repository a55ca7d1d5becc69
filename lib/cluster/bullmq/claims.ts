import type { Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** ms after which a claim ends by itself, should its owner have died. */
const LIFE = 5000
/** ms that its owner takes it for valid. What it does then has the rest to arrive. */
const VALID = 2500
const RETRY = 10

/** The right to decide who has a name. */
export interface Claim {
  readonly job: string
  readonly until: number
}

/**
 * Only who has claimed a name may add a task of that name, or take one out of its queue: BullMQ's `remove` does not ask
 * whose job it removes, and its `add` does not say whether there was one. A claim is a job in a queue that nobody works,
 * with the name as its deduplication id: of many that add one, one gets it. What is removed is the own job alone.
 */
export class Claims {
  readonly #queue: () => Queue

  constructor (queue: () => Queue) {
    this.#queue = queue
  }

  /** Claims all of these names that nobody else has claimed, in one round trip. */
  async take (names: readonly string[]): Promise<(Claim | undefined)[]> {
    const until = Date.now() + VALID
    const jobs = names.map(id => ({ name: 'claim', data: {}, opts: { jobId: `~${randomUUID()}`, deduplication: { id, ttl: LIFE } } }))
    const added = jobs.length === 1 ? [await this.#queue().add('claim', {}, jobs[0]!.opts)] : await this.#queue().addBulk(jobs)
    return jobs.map(({ opts }, i) => added[i]!.id === opts.jobId ? { job: opts.jobId, until } : undefined)
  }

  /** Not awaited: nobody who waits for the answer needs it. */
  release (claim: Claim): void {
    this.#queue().remove(claim.job).catch(() => {})
  }

  /**
   * Does something that needs the claim of a name; waits for it as long as others have it. What `peek` answers before that
   * spares the wait.
   */
  async holding<T> (name: string, work: (claim: Claim) => Promise<T>, peek: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const [claim] = await this.take([name])
      if (claim !== undefined) {
        try {
          return await work(claim)
        } finally {
          this.release(claim)
        }
      }
      const seen = await peek()
      if (seen !== undefined) return seen
      await setTimeout(RETRY * (1 + Math.random()))
    }
  }
}

/** Throws if a claim may have ended. */
export function assertValid (claim: Claim): void {
  if (Date.now() > claim.until) throw new ClaimExpired()
}

/** This process was too slow: another may have decided meanwhile. */
export class ClaimExpired extends Error {}
