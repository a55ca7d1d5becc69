import type { Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** ms after which a claim ends by itself, should its owner have died: at least, and at most. */
const MIN_LIFE = 1000
const MAX_LIFE = 5000
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
  /** ms that a verb waits for its answer. */
  readonly #timeout: number
  /** The claim of one who has died must not make others wait for longer than they do. */
  readonly #life: number
  /** The names that this process is about: it does not compete with itself. */
  readonly #here = new Map<string, Promise<void>>()

  constructor (queue: () => Queue, timeout: number) {
    this.#queue = queue
    this.#timeout = timeout
    this.#life = Math.min(Math.max(MIN_LIFE, timeout / 2), MAX_LIFE)
  }

  async isTaken (name: string): Promise<boolean> {
    return await this.#queue().getDeduplicationJobId(name) !== null
  }

  /**
   * Does something that needs the claim of a name; waits for it as long as others have it, and takes it again if it has
   * expired meanwhile, as long as a verb waits for its answer. What `peek` answers meanwhile spares the wait.
   */
  async holding<T> (name: string, work: (claim: Claim) => Promise<T>, peek: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + this.#timeout
    for (let wait = RETRY; Date.now() <= end; wait = Math.min(2 * wait, MAX_RETRY)) {
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
    throw new ClaimExpired()
  }

  /** Undefined if the claim is another's, or was held for too long. */
  async #try<T> (name: string, work: (claim: Claim) => Promise<T>): Promise<{ value: T } | undefined> {
    const jobId = `~${randomUUID()}`
    const until = Date.now() + this.#life / 2 // what its owner does then has the rest to arrive
    const { id } = await this.#queue().add('claim', {}, { jobId, deduplication: { id: name, ttl: this.#life } })
    if (id !== jobId) return undefined
    const answer = work({ until }).then(value => ({ value }), unlessExpired)
    const giveBack = () => { this.#queue().remove(jobId).catch(() => {}) } // nobody who waits for the answer needs it
    answer.then(giveBack, giveBack)
    return await answer
  }
}

function unlessExpired (error: unknown): undefined {
  if (!(error instanceof ClaimExpired)) throw error
}

/** Throws if a claim may have ended. */
export function assertValid (claim: Claim): void {
  if (Date.now() > claim.until) throw new ClaimExpired()
}

/** This process was too slow: another may have decided meanwhile. What needs the claim begins afresh. */
export class ClaimExpired extends Error {
  override readonly name = 'ClaimExpired'
}
