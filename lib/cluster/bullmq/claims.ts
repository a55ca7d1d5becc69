import type { Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** ms after which a claim ends by itself, should its owner have died. */
const LIFE = 5000
/** ms that its owner takes it for valid. What it does then has the rest to arrive. */
const VALID = 2500
/** ms between two tries, at first and at most. */
const RETRY = 10
const MAX_RETRY = 200

/** The right to decide who has a name. */
export interface Claim {
  readonly until: number
}

/**
 * Only who has claimed a name may add a task of that name, or take one out of its queue: BullMQ's `remove` does not ask
 * whose job it removes, and its `add` does not say whether there was one. A claim is a job in a queue that nobody works,
 * with the name as its deduplication id: of many that add one, one gets it. What is removed is the own job alone.
 */
export class Claims {
  readonly #queue: () => Queue
  /** The names that this process is about: it does not compete with itself. */
  readonly #here = new Map<string, Promise<void>>()

  constructor (queue: () => Queue) {
    this.#queue = queue
  }

  async isTaken (name: string): Promise<boolean> {
    return await this.#queue().getDeduplicationJobId(name) !== null
  }

  /**
   * Does something that needs the claim of a name; waits for it as long as others have it. What `peek` answers meanwhile
   * spares the wait.
   */
  async holding<T> (name: string, work: (claim: Claim) => Promise<T>, peek: () => Promise<T | undefined>): Promise<T> {
    for (let wait = RETRY; ; wait = Math.min(2 * wait, MAX_RETRY)) {
      const busy = this.#here.get(name)
      if (busy === undefined) {
        const done = this.#try(name, work)
        this.#here.set(name, done.then(() => {}, () => {}))
        try {
          const answer = await done
          if (answer !== undefined) return answer.value
        } finally {
          this.#here.delete(name)
        }
      } else {
        await busy
      }
      const seen = await peek()
      if (seen !== undefined) return seen
      if (busy === undefined) await setTimeout(wait * (1 + Math.random()))
    }
  }

  /** Undefined if the claim is another's, or was held for too long. */
  async #try<T> (name: string, work: (claim: Claim) => Promise<T>): Promise<{ value: T } | undefined> {
    const jobId = `~${randomUUID()}`
    const until = Date.now() + VALID
    const { id } = await this.#queue().add('claim', {}, { jobId, deduplication: { id: name, ttl: LIFE } })
    if (id !== jobId) return undefined
    try {
      return { value: await work({ until }) }
    } catch (error) {
      if (error instanceof ClaimExpired) return undefined
      throw error
    } finally {
      this.#queue().remove(jobId).catch(() => {}) // nobody who waits for the answer needs it
    }
  }
}

/** Throws if a claim may have ended. */
export function assertValid (claim: Claim): void {
  if (Date.now() > claim.until) throw new ClaimExpired()
}

/** This process was too slow: another may have decided meanwhile. What needs the claim begins afresh. */
export class ClaimExpired extends Error {
  override readonly name = 'ClaimExpired'
}
