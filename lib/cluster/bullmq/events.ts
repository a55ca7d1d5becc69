import { QueueEvents } from 'bullmq'
import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { StoredTask } from '../engine.ts'
import { failedAs, readReason, type JobResult } from './job.ts'
import { unpack } from './packed.ts'
import type { Shared } from './shared.ts'

/** ms to wait for the echo of an event before another is sent: while nothing has come yet, and later. */
const FIRST_ECHO = 20
const ECHO = 500

const watched = ['waiting', 'active', 'progress', 'completed', 'failed', 'delayed', 'removed', 'stalled', 'added', 'cancelling', 'cancelled'] as const

/** Adds an event to the queue's. */
export type Publish = (event: string, jobId: string, failedReason?: string) => Promise<unknown>

/** What is known of a task that may be gone. */
type Known = Partial<StoredTask>

/** Who watches a job, and what was seen meanwhile of the tasks that had it. */
interface Watched {
  readonly changed: Set<() => void>
  readonly tasks: Map<number, Known>
}

/** Tells of changes in a queue, pushed by the server. It has a connection of its own, once somebody watches. */
export class Events {
  readonly #name: string
  readonly #shared: Shared
  readonly #publish: Publish
  readonly #jobs = new Map<string, Watched>()
  /** Who watches all of the queue. */
  readonly #all = new Set<() => void>()
  /** Who waits for an event of its own to come back. */
  readonly #echoes = new Map<string, () => void>()
  #events: QueueEvents<any, any, any> | undefined
  #listening: Promise<void> | undefined
  #looking: NodeJS.Timeout | undefined

  constructor (name: string, shared: Shared, publish: Publish) {
    this.#name = name
    this.#shared = shared
    this.#publish = publish
  }

  /** Calls back at once when it listens, and at every event of the job. Answers how to leave. */
  watch (jobId: string | undefined, changed: () => void): () => void {
    const callbacks = jobId === undefined ? this.#all : this.#job(jobId).changed
    callbacks.add(changed)
    this.listening().then(changed)
    this.#looking ??= setInterval(() => this.#look(), this.#shared.store.lookAgain).unref()
    return () => {
      callbacks.delete(changed)
      if (jobId !== undefined && callbacks.size === 0 && this.#jobs.get(jobId)?.changed === callbacks) this.#jobs.delete(jobId)
    }
  }

  /** Resolves once nothing that happens is missed. */
  listening (): Promise<void> {
    return (this.#listening ??= this.#listen())
  }

  /** Whether it is told of what happens to a job. */
  isWatched (jobId: string): boolean {
    return this.#jobs.has(jobId)
  }

  /** Resolves once all has been told that has happened by now. */
  async caughtUp (): Promise<void> {
    const echo = randomUUID()
    const heard = new Promise<boolean>(resolve => this.#echoes.set(echo, () => resolve(true)))
    try {
      do await this.#publish('echo', echo)
      while (!await Promise.race([heard, setTimeout(ECHO, false, { ref: false })]))
    } finally {
      this.#echoes.delete(echo)
    }
  }

  /** Something was learned of a task whose job may be watched. */
  saw (jobId: string, id: number, known: Known): void {
    const tasks = this.#jobs.get(jobId)?.tasks
    const seen = tasks?.get(id)
    if (seen?.settledAt !== undefined && known.settledAt === undefined) return // read before it ended, and told of after
    tasks?.set(id, { ...seen, ...known })
  }

  /** How a task has ended whose job was watched by then. */
  ended (jobId: string, id: number): Known | undefined {
    const known = this.#jobs.get(jobId)?.tasks.get(id)
    return known?.settledAt === undefined ? undefined : known
  }

  /** Something may have happened meanwhile. */
  changed (): void {
    for (const changed of this.#all) changed()
    for (const job of this.#jobs.values()) {
      for (const changed of job.changed) changed()
    }
  }

  async close (): Promise<void> {
    clearInterval(this.#looking)
    await this.#events?.close()
  }

  #job (jobId: string): Watched {
    let job = this.#jobs.get(jobId)
    if (job === undefined) {
      job = { changed: new Set(), tasks: new Map() }
      this.#jobs.set(jobId, job)
    }
    return job
  }

  /** An event is lost that comes between two reads of a stream which has not told anything yet: so it has to tell something first. */
  async #listen () {
    const { store, options, reach } = this.#shared
    store.reserve(1)
    const events = this.#events = new QueueEvents<any, any, any>(this.#name, { ...store.options, ...options, blockingTimeout: store.eventsTimeout }, store.backend)
    events.on('error', error => reach.report(error))
    for (const event of watched) {
      events.on(event as 'active', (args: { jobId: string, returnvalue?: unknown, failedReason?: string }) => this.#happened(event, args))
    }
    const echo = { heard: false }
    events.on('echo' as 'active', ({ jobId }) => {
      echo.heard = true
      this.#echoes.get(jobId)?.()
    })
    while (!echo.heard && !events.closing) {
      await this.#publish('echo', '').catch(() => {})
      await setTimeout(FIRST_ECHO, undefined, { ref: false })
    }
  }

  /** An event may have been passed over: those who watch look from time to time, as long as there are any. */
  #look () {
    if (this.#all.size === 0 && this.#jobs.size === 0) {
      clearInterval(this.#looking)
      this.#looking = undefined
    } else {
      this.changed()
    }
  }

  #happened (event: typeof watched[number], { jobId, returnvalue, failedReason }: { jobId: string, returnvalue?: unknown, failedReason?: string }) {
    for (const changed of this.#all) changed()
    const job = this.#jobs.get(jobId)
    if (job === undefined) return
    if (event === 'completed' && typeof returnvalue === 'object' && returnvalue !== null) {
      const result = returnvalue as JobResult
      this.saw(jobId, result.id, { status: 'completed', settledAt: Date.now(), result: unpack(result) })
    } else if (event === 'failed' || event === 'cancelled') {
      const failure = readReason(failedReason)
      if (failure !== undefined) this.saw(jobId, failure.id, { settledAt: failure.at, ...failedAs(failure, jobId) })
    }
    for (const changed of job.changed) changed()
  }
}
