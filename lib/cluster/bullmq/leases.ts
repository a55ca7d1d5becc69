import type { Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** Milliseconds after which a lease expires by itself, because its owner may have died: at least, and at most. */
const MIN_TERM = 1000
const MAX_TERM = 5000
/** Milliseconds between two tries, at first and at most. */
const RETRY = 10
const MAX_RETRY = 200

/** The right to decide who has a name, for a while. */
export interface Lease {
  readonly until: number
}

/**
 * Whoever adds a task of a name, or removes one, must hold the lease of that name: BullMQ's `remove` does not check whose job it
 * removes, and its `add` does not say whether there was one. A lease is a job in a queue that no worker takes from, with the name as its
 * deduplication id: of many that add one, one gets it.
 *
 * A lease rests on its owner's clock, and its owner may be stopped just after it has looked there. So it only keeps work from being done twice:
 * what its owner then writes compares the job with what was read of it, on the server (`Store.replaceData`, `Store.removeJob`), or changes
 * nothing if there is a job of that name (`add`).
 */
export class Leases {
  readonly #queue: () => Queue
  /** Milliseconds that a verb waits for the server. */
  readonly #timeout: number
  /** Shorter than `timeout`: the lease of a process that died must not make the verbs of others fail. */
  readonly #life: number
  /** The names that this process holds or asks for: its own calls wait for each other here. */
  readonly #here = new Map<string, Promise<void>>()

  constructor (queue: () => Queue, timeout: number) {
    this.#queue = queue
    this.#timeout = timeout
    this.#life = Math.min(Math.max(MIN_TERM, Math.ceil(timeout / 2)), MAX_TERM)
  }

  async isTaken (name: string): Promise<boolean> {
    return await this.#queue().getDeduplicationJobId(name) !== null
  }

  /**
   * Does something that needs the lease of a name; waits for it as long as others have it, and takes it again if it has
   * expired meanwhile, as long as a verb waits for its answer. What `peek` answers meanwhile, if it is given, spares the wait.
   */
  async holding<T> (name: string, work: (lease: Lease) => Promise<T>, peek: () => Promise<T | undefined> = async () => undefined): Promise<T> {
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
    throw new LeaseExpired()
  }

  /** Undefined if the lease is another's, or was held for too long. */
  async #try<T> (name: string, work: (lease: Lease) => Promise<T>): Promise<{ value: T } | undefined> {
    const jobId = `~${randomUUID()}`
    const until = Date.now() + this.#life / 2 // what its owner does then has the rest to arrive
    const { id } = await this.#queue().add('lease', {}, { jobId, deduplication: { id: name, ttl: this.#life } })
    if (id !== jobId) return undefined
    const answer = work({ until }).then(value => ({ value }), unlessExpired)
    const giveBack = () => { this.#queue().remove(jobId).catch(() => {}) } // nobody who waits for the answer needs it
    answer.then(giveBack, giveBack)
    return await answer
  }
}

function unlessExpired (error: unknown): undefined {
  if (!(error instanceof LeaseExpired)) throw error
}

/** Throws if a lease may have ended. */
export function assertValid (lease: Lease): void {
  if (Date.now() > lease.until) throw new LeaseExpired()
}

/** Throws if the server has found that what was to be changed is not as it was read. */
export function assertUnchanged (unchanged: boolean): void {
  if (!unchanged) throw new LeaseExpired()
}

/** This process was too slow: another may have decided meanwhile. What needs the lease begins afresh. */
export class LeaseExpired extends Error {
  override readonly name = 'LeaseExpired'
}
