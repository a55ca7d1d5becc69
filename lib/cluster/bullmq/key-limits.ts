import type { Queue } from 'bullmq'
import type { TaskLimit } from '../../../types/index.ts'
import { encodeName } from './ids.ts'
import { assertUnchanged, assertValid, type Leases } from './leases.ts'
import type { Shared } from './shared.ts'
import type { Store } from './store.ts'

/** A task that counts for a key. */
interface Counted {
  readonly jobId: string
  readonly id: number
}

/** Milliseconds after which a record is stored anew: the side queue drops what is older than a week. */
const RENEW = 86_400_000
/** How many tasks a record names before those that have settled are looked for, though the limit allows more. */
const MIN_KNOWN = 50

/** The data of a record. */
interface LimitRecord {
  readonly tasks: readonly Counted[]
  /** How many were unsettled when that was last looked at. */
  readonly unsettled: number
}

/**
 * Limits how many tasks of a key are unsettled. A record of each key, a job in a queue that no worker takes from, names the tasks that
 * count. It is changed under the lease of the key. If the record is full, or has doubled, each task of it is read, and those that have
 * settled, or were never added because their process died, no longer count.
 */
export class KeyLimits {
  readonly #queue: string
  readonly #records: () => Queue
  readonly #leases: Leases
  readonly #store: Store
  readonly #isUnsettled: (task: Counted) => Promise<boolean>

  constructor (queue: string, { records, leases, store }: Pick<Shared, 'records' | 'leases' | 'store'>, isUnsettled: (task: Counted) => Promise<boolean>) {
    this.#queue = queue
    this.#records = records
    this.#leases = leases
    this.#store = store
    this.#isUnsettled = isUnsettled
  }

  /** Calls `add`, which adds a task, unless as many tasks of the key are unsettled as the limit allows. Then it throws `refused`. */
  async admit<T> ({ key, max }: TaskLimit, task: Counted, add: () => Promise<T>, refused: () => Error): Promise<T> {
    const name = encodeName(key)
    const recordId = `~limit.${name}@${this.#queue}`
    return await this.#leases.holding(`limit:${this.#queue}:${name}`, async lease => {
      const record = await this.#records().getJob(recordId)
      const { tasks: known, unsettled = 0 }: LimitRecord = record?.data ?? { tasks: [] }
      const others = known.filter(({ id }) => id !== task.id)
      const isDue = others.length >= Math.min(max, Math.max(MIN_KNOWN, 2 * unsettled))
      const counted = isDue ? await this.#unsettled(others) : others
      if (counted.length >= max) throw refused()
      const data: LimitRecord = { tasks: [...counted, task], unsettled: isDue ? counted.length : unsettled }
      assertValid(lease)
      if (record !== undefined && Date.now() - record.timestamp < RENEW) {
        assertUnchanged(await this.#store.replaceData(this.#records(), record, data))
      } else {
        await record?.remove()
        await this.#records().add('limit', data, { jobId: recordId })
      }
      assertValid(lease)
      return await add()
    })
  }

  async #unsettled (tasks: readonly Counted[]): Promise<Counted[]> {
    const answers = await Promise.all(tasks.map(task => this.#isUnsettled(task)))
    return tasks.filter((_, i) => answers[i])
  }
}
