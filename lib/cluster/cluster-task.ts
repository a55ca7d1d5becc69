import { inspect } from 'node:util'
import type { ClusterTask as PublicClusterTask, ClusterTaskState } from '../../types/cluster.ts'
import type { CancelOptions, TaskWatch, WatchOptions } from '../../types/index.ts'
import { AbortError } from '../core/abort.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_CLOSED, FST_ERR_TASK_DUPLICATE_NAME, FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import { checkCancelOptions, checkWatchOptions } from '../core/options.ts'
import { Watch } from '../core/watch.ts'
import { within } from '../core/within.ts'
import { clusterTaskState } from './cluster-task-state.ts'
import type { Queue, StoredTask } from './engine.ts'
import { whenChanged } from './follow.ts'
import { checkNone } from './options.ts'
import { fromStoredError, toStoredReason } from './stored-error.ts'

/** What a task needs of its kind and of the app. */
export interface TaskPlace {
  readonly kind: string
  readonly cancelTimeout: number
  /** Whether the app is closing, so that no task can be added. */
  readonly closed: boolean
  /** Resolves once its engine is open. */
  queue (): Promise<Queue>
  /** Calls back when the app begins to close; at once if it has. Returns a function that takes this back. */
  onceClosing (callback: () => void): () => void
  /**
   * Calls back when nothing runs in this process any more; at once if that is so. The app waits for the promise before it leaves
   * the server. Returns a function that takes this back.
   */
  onceStopped (callback: () => Promise<void>): () => void
}

/** Milliseconds after which a cancellation is sent again: the message may have been lost. */
const RESEND = 1000

/** A task of the fleet, as it was when it was last read. */
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
  get maxAttempts () { return this.#stored.maxAttempts }
  get attempts () { return this.#stored.attempts }
  get createdAt () { return this.#stored.createdAt }
  get startsAt () { return this.#stored.startsAt }
  get startedAt () { return this.#stored.startedAt }
  get settledAt () { return this.#stored.settledAt }
  get worker () { return this.#stored.worker }
  get error () { return this.#stored.error === undefined ? undefined : fromStoredError(this.#stored.error) }

  toJSON (): ClusterTaskState<any> {
    return clusterTaskState(this.kind, this.#stored)
  }

  [inspect.custom] (): object {
    return this.toJSON()
  }

  async refresh (...rest: []): Promise<this> {
    checkNone('refresh', rest)
    const queue = await this.#place.queue()
    const stored = await queue.get(this.name, this.id)
    if (stored === undefined) throw new FST_ERR_TASK_NOT_FOUND(this.name)
    this.#update(stored)
    return this
  }

  async retry (...rest: []): Promise<this> {
    checkNone('retry', rest)
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(`task "${this.name}"`)
    const queue = await this.#place.queue()
    const found = await queue.retry(this.name, this.id)
    if (found === undefined) throw new FST_ERR_TASK_NOT_FOUND(this.name)
    if (!found.retried) throw new FST_ERR_TASK_DUPLICATE_NAME(this.name)
    this.#update(found.task)
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

  watch (options: WatchOptions = {}): TaskWatch<ClusterTaskState<any>> {
    checkWatchOptions(options, this)
    return new Watch<ClusterTaskState<any>>(() => this.toJSON(), () => this.settled, {
      signal: options.signal,
      interval: options.interval,
      ready: false,
      join: watch => {
        let previous: string | undefined
        const stopFollowing = this.#follow(stored => {
          // If the task had settled and was purged, its last state is known.
          if (stored === undefined) return previous === undefined && this.settled ? watch.changed() : watch.end()
          const present = JSON.stringify([stored.status, stored.attempt, stored.progress])
          if (present !== previous) watch.changed()
          previous = present
        }, () => watch.end())
        const stopClosing = this.#place.onceClosing(() => watch.end())
        return () => {
          stopFollowing()
          stopClosing()
        }
      }
    })
  }

  /** Waits until no run of the task is left, for so many ms at most. Returns whether that is so: it has settled, is gone, or waits for its next run. */
  async #stops (ms: number): Promise<boolean> {
    if (this.settled) return true
    return await within(happened => {
      const leave = this.#follow(stored => {
        if (stored !== undefined && !this.settled && this.status !== 'deferred') return
        leave()
        happened()
      }, () => {})
      return leave
    }, ms)
  }

  /**
   * Takes over what was read, unless it was read before what is known. Not all is known of a task that has lost its name, so what never
   * changes is kept.
   */
  #update (stored: StoredTask) {
    const { data, createdAt, maxAttempts, retries } = this.#stored
    if (stored.retries < retries || (stored.retries === retries && this.settled && stored.settledAt === undefined)) return
    if (stored.retries > retries) this.#finished = undefined
    this.#stored = { ...stored, data, createdAt, maxAttempts }
  }

  /**
   * Waits until the cancelled task has settled. Sends the cancellation again from time to time, and at once if the run failed before it
   * heard of it: then the task waits for its next run.
   */
  async awaitCancellation (options: CancelOptions): Promise<void> {
    const { timeout = this.#place.cancelTimeout } = options
    const until = Date.now() + timeout
    for (;;) {
      const left = Math.max(0, until - Date.now())
      const hasStopped = await this.#stops(Math.min(left, RESEND))
      if (hasStopped && this.status !== 'deferred') return
      if (left === 0 || (!hasStopped && left <= RESEND)) throw new FST_ERR_TASK_CANCEL_TIMEOUT(`task "${this.name}"`, timeout)
      if (!await this.#sendCancellation(options) || this.settled) return
    }
  }

  async #cancel (options: CancelOptions) {
    checkCancelOptions(options, this)
    if (!this.settled && await this.#sendCancellation(options)) await this.awaitCancellation(options)
  }

  /** Returns false if the task is gone. */
  async #sendCancellation ({ reason = cancelReason(this.name) }: CancelOptions): Promise<boolean> {
    const queue = await this.#place.queue()
    const stored = await queue.cancel(this.name, this.id, toStoredReason(reason))
    if (stored !== undefined) this.#update(stored)
    return stored !== undefined
  }

  async #finish (): Promise<any> {
    let known = true
    if (!this.settled) {
      const queue = await this.#place.queue()
      await waitFor(this.#place, queue, this.name, `task "${this.name}"`, async () => {
        const stored = await queue.get(this.name, this.id)
        known = stored !== undefined
        if (stored !== undefined) this.#update(stored)
        return !known || this.settled
      })
    }
    if (!known) throw new FST_ERR_TASK_NOT_FOUND(this.name)
    if (this.status === 'completed') return this.result
    throw this.error
  }

  /** Reads the task whenever it may have changed: undefined if nothing is known of it any more. Returns a function that ends this. */
  #follow (read: (stored: StoredTask | undefined) => void, failed: (error: Error) => void): () => void {
    let left = false
    let leave = () => { left = true }
    this.#place.queue().then(queue => {
      if (left) return
      leave = whenChanged(queue, this.name, async () => {
        const stored = await queue.get(this.name, this.id)
        if (stored !== undefined) this.#update(stored)
        read(stored)
      })
    }).catch(failed)
    return () => leave()
  }
}

/**
 * Waits until `isDone` resolves to true. It is called whenever the task of a name may have changed; without a name, any task. Rejects
 * with an AbortError once nothing runs in this process any more, after a last call.
 */
export async function waitFor (place: TaskPlace, queue: Queue, name: string | undefined, what: string, isDone: () => Promise<boolean>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let isStopped = false
    let leave = () => {}
    const end = (settle: () => void) => {
      leave()
      stop()
      settle()
    }
    const stop = place.onceStopped(async () => {
      isStopped = true
      const done = await isDone().catch(() => false) // a task that ran here may just have settled
      end(done ? resolve : () => reject(new AbortError(`Stopped waiting for ${what}: the app is closing`)))
    })
    if (isStopped) return
    leave = whenChanged(queue, name, async () => {
      if (await isDone()) end(resolve)
    })
  })
}

export function cancelReason (name: string): string {
  return `Cancelled task "${name}"`
}
