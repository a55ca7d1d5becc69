import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Changed, StoredTask } from '../engine.ts'
import { failedAs, readReason, type JobResult } from './job.ts'
import { unpack } from './packed.ts'
import type { Shared } from './shared.ts'
import type { EventArgs, EventSource } from './store.ts'

/** Milliseconds to wait for an echo before another one is sent: for the first echo, and for later ones. */
const FIRST_ECHO = 20
const ECHO = 500

const watched = ['waiting', 'active', 'progress', 'completed', 'failed', 'delayed', 'removed', 'stalled', 'added', 'cancelling', 'cancelled', 'announced'] as const

/** The queue whose events these are. */
export interface WatchedQueue {
  /** Adds an event. */
  publish (event: string, jobId: string): Promise<unknown>
  /** The versions of its jobs, as `Store.versionsOf` reads them. */
  versionsOf (jobIds: string[]): Promise<Map<string, string>>
}

/** What is known about a task that may be gone. */
type Known = Partial<StoredTask> & Pick<StoredTask, 'retries'>

/** The watchers of a job, what was read of its tasks since they watch, and its version at the last poll. */
interface Watched {
  readonly changed: Set<Changed>
  readonly tasks: Map<number, Known>
  version: string | null | undefined
}

/** Notifies watchers of changes in a queue. It opens its own connection when the first watcher comes. */
export class Events {
  readonly #name: string
  readonly #shared: Shared
  readonly #queue: WatchedQueue
  readonly #jobs = new Map<string, Watched>()
  /** The watchers of the whole queue. */
  readonly #all = new Set<Changed>()
  /** Called when the echo of that id comes back. */
  readonly #echoes = new Map<string, () => void>()
  #events: EventSource | undefined
  #listening: Promise<void> | undefined
  #polling = false
  readonly #closing = new AbortController()

  constructor (name: string, shared: Shared, queue: WatchedQueue) {
    this.#name = name
    this.#shared = shared
    this.#queue = queue
  }

  /** Calls back once it listens, at every event of the job, and when a poll finds a change of it. Returns a function that ends this. */
  watch (jobId: string | undefined, changed: Changed): () => void {
    const callbacks = jobId === undefined ? this.#all : this.#job(jobId).changed
    callbacks.add(changed)
    this.listening().then(changed)
    if (!this.#polling) this.#poll()
    return () => {
      callbacks.delete(changed)
      if (jobId !== undefined && callbacks.size === 0 && this.#jobs.get(jobId)?.changed === callbacks) this.#jobs.delete(jobId)
    }
  }

  /** Resolves once no later event is missed. */
  listening (): Promise<void> {
    return (this.#listening ??= this.#listen())
  }

  /** Whether anybody watches a job. */
  isWatched (jobId: string): boolean {
    return this.#jobs.has(jobId)
  }

  /** Resolves once all events have arrived that were published before this call. It publishes an echo and waits for it. */
  async caughtUp (): Promise<void> {
    const echo = randomUUID()
    const heard = new Promise<boolean>(resolve => this.#echoes.set(echo, () => resolve(true)))
    try {
      do await this.#queue.publish('echo', echo)
      while (!await Promise.race([heard, setTimeout(ECHO, false, { ref: false })]))
    } finally {
      this.#echoes.delete(echo)
    }
  }

  /** Remembers what was read of a task, if its job is watched. */
  saw (jobId: string, id: number, known: Known): void {
    const tasks = this.#jobs.get(jobId)?.tasks
    const seen = tasks?.get(id)
    if (seen?.settledAt !== undefined && known.settledAt === undefined && known.retries <= seen.retries) return // this was read before the task ended, and arrives late
    tasks?.set(id, { ...seen, ...known })
  }

  /** How a task ended, if its job was watched when it did. */
  ended (jobId: string, id: number): Known | undefined {
    const known = this.#jobs.get(jobId)?.tasks.get(id)
    return known?.settledAt === undefined ? undefined : known
  }

  /**
   * Notifies the watchers of the queue, and those of each job that has changed since the last poll. All versions are read at once, and
   * the watchers read one after the other, so that polling is cheap even for many jobs.
   */
  async pollOnce (): Promise<void> {
    const jobIds = [...this.#jobs.keys()]
    const versions = jobIds.length === 0 ? undefined : await this.#queue.versionsOf(jobIds).catch(() => undefined)
    for (const changed of this.#all) await changed()
    if (versions === undefined) return // no job is watched, or the server is away
    for (const jobId of jobIds) {
      const job = this.#jobs.get(jobId)
      const version = versions.get(jobId) ?? null
      if (job === undefined || job.version === version) continue
      job.version = version
      for (const changed of job.changed) {
        if (!this.#closing.signal.aborted && await changed() === false) job.version = undefined
      }
    }
  }

  async close (): Promise<void> {
    this.#closing.abort()
    await this.#events?.close()
  }

  #job (jobId: string): Watched {
    let job = this.#jobs.get(jobId)
    if (job === undefined) {
      job = { changed: new Set(), tasks: new Map(), version: undefined }
      this.#jobs.set(jobId, job)
    }
    return job
  }

  /**
   * Opens the connection. BullMQ loses an event that comes between two reads of a stream that has delivered none yet, so it
   * publishes echoes until one comes back.
   */
  async #listen () {
    const { store, options, health } = this.#shared
    const events = this.#events = store.eventsOf(this.#name, options)
    events.on('error', error => health.report(error))
    for (const event of watched) events.on(event, args => this.#happened(event, args))
    const echo = { heard: false }
    events.on('echo', ({ jobId }) => {
      echo.heard = true
      this.#echoes.get(jobId)?.()
    })
    while (!echo.heard && !this.#closing.signal.aborted) {
      await this.#queue.publish('echo', '').catch(() => {})
      await setTimeout(FIRST_ECHO, undefined, { ref: false })
    }
  }

  /** Looks for changes from time to time, since an event may have been lost. */
  async #poll () {
    this.#polling = true
    const { signal } = this.#closing
    while (!signal.aborted && (this.#all.size > 0 || this.#jobs.size > 0)) {
      await setTimeout(this.#shared.store.pollInterval, undefined, { ref: false, signal }).catch(() => {})
      await this.pollOnce()
    }
    this.#polling = false
  }

  #happened (event: typeof watched[number], { jobId, returnvalue, failedReason }: EventArgs) {
    for (const changed of this.#all) changed()
    const job = this.#jobs.get(jobId)
    if (job === undefined) return
    if (event === 'completed' && typeof returnvalue === 'object' && returnvalue !== null) {
      const result = returnvalue as JobResult
      this.saw(jobId, result.id, { retries: result.retries ?? 0, status: 'completed', settledAt: Date.now(), result: unpack(result) })
    } else if (event === 'failed' || event === 'cancelled') {
      const failure = readReason(failedReason)
      if (failure !== undefined) this.saw(jobId, failure.id, { retries: failure.retries ?? 0, settledAt: failure.at, ...failedAs(failure, jobId) })
    }
    for (const changed of job.changed) changed()
  }
}
