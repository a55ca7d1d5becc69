import type { ClusterTask as PublicClusterTask, ClusterTaskState } from '../../types/cluster.ts'
import type { CancelOptions } from '../../types/index.ts'
import { AbortError } from '../core/abort.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import { checkCancelOptions, checkWatchOptions } from '../core/options.ts'
import { isoString } from '../core/task-state.ts'
import { Watch } from '../core/watch.ts'
import { within } from '../core/within.ts'
import type { Queue, StoredTask } from './engine.ts'
import { follow } from './follow.ts'
import { fromStoredError, toStoredReason } from './stored-error.ts'

/** Where a task is. */
export interface TaskPlace {
  readonly kind: string
  readonly cancelTimeout: number
  /** Resolves once its engine is open. */
  queue (): Promise<Queue>
  /** Calls back when the app begins to close. Answers how to leave. */
  onceClosing (callback: () => void): () => void
  /** Calls back when nothing runs here any more, and waits for what that answers before it leaves the server. */
  onceStopped (callback: () => Promise<void>): () => void
}

/** ms after which a cancellation is repeated that nothing has come of: a message may have been lost. */
const REMIND = 1000

/** A task of the fleet, as it was when it was read last. */
export class ClusterTask implements PublicClusterTask<any, any, any> {
  readonly #place: TaskPlace
  #stored: StoredTask
  #finished: Promise<any> | undefined

  constructor (place: TaskPlace, stored: StoredTask) {
    this.#place = place
    this.#stored = stored
  }

  get id () { return this.#stored.id }
  get name () { return this.#stored.name }
  get kind () { return this.#place.kind }
  get status () { return this.#stored.status }
  get settled () { return this.#stored.settledAt !== undefined }
  get data () { return this.#stored.data }
  get result () { return this.#stored.result }
  get progress () { return this.#stored.progress }
  get attempt () { return this.#stored.attempt }
  get createdAt () { return this.#stored.createdAt }
  get startsAt () { return this.#stored.startsAt }
  get startedAt () { return this.#stored.startedAt }
  get settledAt () { return this.#stored.settledAt }
  get worker () { return this.#stored.worker }
  get error () { return this.#stored.error === undefined ? undefined : fromStoredError(this.#stored.error) }

  toJSON (): ClusterTaskState<any> {
    const { id, name, kind, status, progress, attempt, createdAt, startedAt, settledAt, worker } = this
    return {
      id,
      name,
      kind,
      status,
      progress,
      attempt,
      createdAt: isoString(createdAt),
      startedAt: isoString(startedAt),
      settledAt: isoString(settledAt),
      worker,
      error: this.#stored.error
    }
  }

  async refresh (): Promise<this> {
    const queue = await this.#place.queue()
    const stored = await queue.get(this.name, this.id)
    if (stored === undefined) throw new FST_ERR_TASK_NOT_FOUND(this.name)
    this.#update(stored)
    return this
  }

  cancel (options: CancelOptions = {}): Promise<void> {
    const cancelled = this.#cancel(options)
    cancelled.catch(() => {})
    return cancelled
  }

  get finished (): Promise<any> {
    if (this.#finished === undefined) {
      this.#finished = this.#finish()
      this.#finished.catch(() => {})
    }
    return this.#finished
  }

  watch (options: { signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<ClusterTaskState<any>> {
    checkWatchOptions(options, this)
    return new Watch<ClusterTaskState<any>>(() => this.toJSON(), () => this.settled, {
      signal: options.signal,
      join: watch => {
        const { status, progress } = this.#stored
        let known = JSON.stringify([status, progress])
        const stopFollowing = this.#follow(stored => {
          if (stored === undefined) return watch.end()
          const now = JSON.stringify([stored.status, stored.progress])
          if (now !== known) watch.changed()
          known = now
        }, () => watch.end())
        const stopClosing = this.#place.onceClosing(() => watch.end())
        return () => {
          stopFollowing()
          stopClosing()
        }
      }
    })
  }

  /** Whether the task has settled, or is gone, within so many ms. */
  async settles (ms: number): Promise<boolean> {
    if (this.settled) return true
    return await within(happened => {
      const leave = this.#follow(stored => {
        if (stored !== undefined && !this.settled) return
        leave()
        happened()
      }, () => {})
      return leave
    }, ms)
  }

  /** What never changes is kept: of a task that has lost its name not all is known. */
  #update (stored: StoredTask) {
    const { data, createdAt } = this.#stored
    this.#stored = { ...stored, data, createdAt }
  }

  /** Waits until it has settled, as it was told to, and tells it again from time to time. */
  async unwinds (options: CancelOptions): Promise<void> {
    const { timeout = this.#place.cancelTimeout } = options
    const until = Date.now() + timeout
    for (;;) {
      const left = Math.max(0, until - Date.now())
      if (await this.settles(Math.min(left, REMIND))) return
      if (left <= REMIND) throw new FST_ERR_TASK_CANCEL_TIMEOUT(`task "${this.name}"`, timeout)
      await this.#tell(options)
    }
  }

  async #cancel (options: CancelOptions) {
    checkCancelOptions(options, this)
    if (!this.settled && await this.#tell(options)) await this.unwinds(options)
  }

  /** Answers whether it is still known. */
  async #tell ({ reason = cancelReason(this.name) }: CancelOptions): Promise<boolean> {
    const queue = await this.#place.queue()
    const stored = await queue.cancel(this.name, this.id, toStoredReason(reason))
    if (stored !== undefined) this.#update(stored)
    return stored !== undefined
  }

  async #finish (): Promise<any> {
    if (!this.settled) await this.#settlement()
    if (this.status === 'completed') return this.result
    throw this.error
  }

  #settlement (): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        leave()
        stop()
        settle()
      }
      const leave = this.#follow(stored => {
        if (stored === undefined) end(() => reject(new FST_ERR_TASK_NOT_FOUND(this.name)))
        else if (this.settled) end(resolve)
      }, error => end(() => reject(error)))
      // What was running here has just settled, maybe.
      const stop = this.#place.onceStopped(async () => {
        await this.refresh().catch(() => {})
        if (this.settled) end(resolve)
        else end(() => reject(new AbortError(`Stopped waiting for task "${this.name}": the app is closing`)))
      })
    })
  }

  /** Keeps what was read up to date until one leaves. */
  #follow (read: (stored: StoredTask | undefined) => void, failed: (error: Error) => void): () => void {
    let left = false
    let leave = () => { left = true }
    this.#place.queue().then(queue => {
      if (left) return
      leave = follow(queue, this.name, this.id, stored => {
        if (stored !== undefined) this.#update(stored)
        read(stored)
      })
    }).catch(failed)
    return () => leave()
  }
}

export function cancelReason (name: string): string {
  return `Cancelled task "${name}"`
}
