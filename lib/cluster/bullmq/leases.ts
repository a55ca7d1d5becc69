import type { Queue } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

/** Milliseconds after which a lease expires by itself, because its owner may have died: at least, and at most. */
const MIN_TERM = 1000
const MAX_TERM = 5000
/** Milliseconds between two tries, at first and at most. */
const RETRY = 10
const MAX_RETRY = 200
/** For how much of the time of a verb it waits for a lease. It ends before the verb's own time, which tells that the server is away. */
const PATIENCE = 0.8

/** The right to decide who has a name, for a while. */
export interface Lease {
  readonly until: number
}

/**
 * A process must hold the lease of a name to add or remove a task of that name: BullMQ's `remove` does not check whose job it removes, and
 * its `add` does not say whether there was one. A lease is a job in a queue that no worker takes from, with the name as its deduplication
 * id. If several processes add one, one of them gets it.
 *
 * A lease expires by the clock of its owner, and the owner may be stopped just after it has read the clock. So a lease only saves work
 * that would be done twice. Late writes are kept out by the server: it changes or removes a job only if the job still is as it was read
 * (`Store.replaceData`, `Store.removeJob`), and adds one only if there is none of that name (`add`).
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
   * Calls `work` under the lease of a name. Waits while others have the lease, and takes it again if it expired during the work, for
   * most of the time that a verb has. If `peek` resolves to a value meanwhile, returns that value instead.
   */
  async holding<T> (name: string, work: (lease: Lease) => Promise<T>, peek: () => Promise<T | undefined> = async () => undefined): Promise<T> {
    const end = Date.now() + PATIENCE * this.#timeout
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

  /** Undefined if another has the lease, or if it was held for too long. */
  async #try<T> (name: string, work: (lease: Lease) => Promise<T>): Promise<{ value: T } | undefined> {
    const jobId = `~${randomUUID()}`
    const until = Date.now() + this.#life / 2 // the other half is for its last write to arrive
    const { id } = await this.#queue().add('lease', {}, { jobId, deduplication: { id: name, ttl: this.#life } })
    if (id !== jobId) return undefined
    const answer = this.#work({ until }, work).catch(unlessExpired)
    const giveBack = () => { this.#queue().remove(jobId).catch(() => {}) } // the caller need not wait for it
    answer.then(giveBack, giveBack)
    return await answer
  }

  /** The server may have answered so late that the lease has expired. */
  async #work<T> (lease: Lease, work: (lease: Lease) => Promise<T>): Promise<{ value: T }> {
    assertValid(lease)
    return { value: await work(lease) }
  }
}

function unlessExpired (error: unknown): undefined {
  if (!(error instanceof LeaseExpired)) throw error
}

/** Throws if a lease may have expired. */
export function assertValid (lease: Lease): void {
  if (Date.now() > lease.until) throw new LeaseExpired()
}

/** Throws if the server has found that what was to be changed is not as it was read. */
export function assertUnchanged (unchanged: boolean): void {
  if (!unchanged) throw new LeaseExpired()
}

/** This process was too slow: another may have had the lease meanwhile. What needs the lease starts again. */
export class LeaseExpired extends Error {
  override readonly name = 'LeaseExpired'
}
