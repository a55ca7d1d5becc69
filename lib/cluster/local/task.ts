import { hostname } from 'node:os'
import type { TaskStatus } from '../../../types/index.ts'
import type { NewTask, Outcome, Running, StoredError, StoredTask } from '../engine.ts'
import type { Sorted } from './sorted.ts'

const worker = { host: hostname(), pid: process.pid }

/** A task of this process, as it is now. */
export class LocalTask {
  readonly name: string
  readonly id: number
  readonly priority: number
  readonly createdAt = Date.now()
  data: unknown
  status: TaskStatus = 'deferred'
  startsAt: number | undefined
  attempt = 0
  startedAt: number | undefined
  settledAt: number | undefined
  /** The list that it is in, and its place there among its likes. */
  list: Sorted<LocalTask> | undefined
  place = 0
  /** Its run, while it runs. */
  running: Running | undefined
  /** Why it was cancelled, while it runs. */
  cancellation: StoredError | undefined
  /** Aborted once it is not to run, any more: to take it out of the queue. */
  readonly withdrawn = new AbortController()
  /** Resolves when nothing is done for it any more. */
  ended: Promise<void> = Promise.resolve()
  #progress: unknown
  #outcome: Outcome | undefined

  constructor ({ name, id, data, delay, priority }: NewTask) {
    this.name = name
    this.id = id
    this.data = data
    this.priority = priority
    if (delay > 0) this.startsAt = this.createdAt + delay
  }

  get settled () { return this.settledAt !== undefined }

  start (attempt: number): void {
    this.status = 'running'
    this.attempt = attempt
    this.startsAt = undefined
    this.startedAt = Date.now()
  }

  cancel (reason: StoredError): void {
    this.status = 'cancelling'
    this.cancellation = reason
    this.running!.abort(reason)
  }

  defer (delay: number): void {
    this.#endRun()
    this.status = 'deferred'
    if (delay > 0) this.startsAt = Date.now() + delay
  }

  settle (outcome: Outcome): void {
    this.#endRun()
    this.status = outcome.status
    this.startsAt = undefined
    this.settledAt = Date.now()
    this.#outcome = outcome
    this.withdrawn.abort('settled') // a reason of its own spares the making of an error
  }

  /** What it has told of last stays, for its next run too. */
  #endRun () {
    if (this.running !== undefined) this.#progress = this.running.progress()
    this.running = undefined
  }

  snapshot (): StoredTask {
    const outcome = this.#outcome
    return {
      name: this.name,
      id: this.id,
      status: this.status,
      data: structuredClone(this.data),
      progress: this.running === undefined ? structuredClone(this.#progress) : this.running.progress(),
      result: outcome?.status === 'completed' ? structuredClone(outcome.result) : undefined,
      error: outcome === undefined || outcome.status === 'completed' ? undefined : outcome.error,
      attempt: this.attempt,
      createdAt: this.createdAt,
      startsAt: this.startsAt,
      startedAt: this.startedAt,
      settledAt: this.settledAt,
      worker: this.startedAt === undefined ? undefined : worker
    }
  }
}
