import { hostname } from 'node:os'
import type { TaskAttempt } from '../../../types/cluster.ts'
import type { TaskStatus } from '../../../types/index.ts'
import { attemptOf, MAX_ATTEMPTS_KEPT, type NewTask, type Outcome, type Running, type StoredError, type StoredTask } from '../engine.ts'
import { MAX_TIME } from '../schedule.ts'
import { fromStoredError } from '../stored-error.ts'
import type { Sorted } from './sorted.ts'

export const self = Object.freeze({ host: hostname(), pid: process.pid })

export interface NewLocalTask extends NewTask { readonly startsAt?: number }

/** A task of this process, as it is now. */
export class LocalTask {
  readonly name: string
  readonly id: number
  readonly priority: number
  readonly maxAttempts: number
  readonly createdAt = Date.now()
  data: unknown
  /** The key of the limit for which it counts, until it has settled. */
  limitKey: string | undefined
  status: TaskStatus = 'deferred'
  /** While it is delayed: when it may start. */
  startsAt: number | undefined
  /** Since when it may start. */
  readySince = this.createdAt
  /** When it was first due; after a retry, when it was retried. */
  dueAt: number
  retries = 0
  attempt = 0
  attempts: readonly TaskAttempt[] = []
  startedAt: number | undefined
  settledAt: number | undefined
  /** The list that it is in, and its place there. */
  list: Sorted<LocalTask> | undefined
  place = 0
  /** The reason for which it was cancelled while it ran. */
  cancellation: StoredError | undefined
  /** Takes it out of p-queue, while it waits there. */
  leaveQueue: (() => void) | undefined
  /** Resolves when its run has ended. */
  ended: Promise<void> = Promise.resolve()
  /** Its run. Undefined while it does not run, and until the call of its work has returned. */
  #running: Running | undefined
  #progress: unknown
  #outcome: Outcome | undefined

  /** `startsAt` is for a task of a schedule. Other tasks have a delay that counts from now. */
  constructor ({ name, id, data, delay, priority, startsAt, limit }: NewLocalTask, maxAttempts: number) {
    this.name = name
    this.id = id
    this.data = data
    this.priority = priority
    this.maxAttempts = maxAttempts
    this.limitKey = limit?.key
    if (delay > 0) this.startsAt = startsAt ?? Math.min(this.createdAt + delay, MAX_TIME)
    this.dueAt = this.startsAt ?? this.createdAt
  }

  get settled () { return this.settledAt !== undefined }

  /** Whether it is not to be tried again: it has no attempts left, it was cancelled, or its outcome is final. */
  get isLast (): boolean {
    const outcome = this.#outcome!
    return outcome.status !== 'failed' || outcome.final || this.cancellation !== undefined || this.attempt >= this.maxAttempts
  }

  start (): void {
    this.status = 'running'
    this.attempt++
    this.startsAt = undefined
    this.startedAt = Date.now()
    this.#outcome = undefined
  }

  /** The work has begun. */
  run (running: Running): void {
    this.#running = running
  }

  cancel (reason: StoredError): void {
    this.status = 'cancelling'
    this.cancellation = reason
    this.abort(reason)
  }

  abort (reason: StoredError): void {
    this.#running?.abort(fromStoredError(reason))
  }

  abandon (): void {
    this.#running?.abandon()
  }

  /** The run has ended. Its last progress stays, for the next run too. */
  endRun (outcome: Outcome): void {
    this.#progress = this.#running!.progress()
    this.#running = undefined
    this.#outcome = outcome
    const { attempt, startedAt } = this
    this.attempts = [...this.attempts, attemptOf({ attempt, startedAt, endedAt: Date.now(), worker: self, outcome })].slice(-MAX_ATTEMPTS_KEPT)
  }

  /** It is to run again, after a delay. */
  defer (delay: number): void {
    this.status = 'deferred'
    this.readySince = Date.now()
    if (delay > 0) this.startsAt = Math.min(Date.now() + delay, MAX_TIME)
  }

  /** Its delay is over. */
  becomeReady (): void {
    this.readySince = Date.now()
    this.startsAt = undefined
  }

  settle (outcome: Outcome): void {
    this.status = outcome.status
    this.startsAt = undefined
    this.settledAt = Date.now()
    this.#outcome = outcome
  }

  /** It has settled and is to run again. Of its earlier runs only the progress and the list `attempts` stay. */
  retry (): void {
    this.status = 'deferred'
    this.readySince = this.dueAt = Date.now()
    this.retries++
    this.attempt = 0
    this.startedAt = this.settledAt = this.cancellation = this.#outcome = undefined
  }

  snapshot (): StoredTask {
    const outcome = this.#outcome
    return {
      name: this.name,
      id: this.id,
      retries: this.retries,
      status: this.status,
      data: structuredClone(this.data),
      progress: this.#running === undefined ? structuredClone(this.#progress) : this.#running.progress(),
      result: outcome?.status === 'completed' ? structuredClone(outcome.result) : undefined,
      error: outcome === undefined || outcome.status === 'completed' ? undefined : { ...outcome.error },
      attempt: this.attempt,
      maxAttempts: this.maxAttempts,
      attempts: this.attempts,
      createdAt: this.createdAt,
      startsAt: this.startsAt,
      dueAt: this.dueAt,
      startedAt: this.startedAt,
      settledAt: this.settledAt,
      worker: this.startedAt === undefined ? undefined : self
    }
  }
}
