import { DelayedError, type Job, type Queue } from 'bullmq'
import { setTimeout } from 'node:timers/promises'
import { settlesWithin } from '../../core/within.ts'
import { SETTLED_BACKOFF, SETTLED_TRIES, type OnSettled, type StoredTask } from '../engine.ts'
import { tryOf } from './cancellations.ts'
import { pack, unpack, type Packed } from './packed.ts'
import { makeQueue, type Shared } from './shared.ts'
import { TaskWorker } from './task-worker.ts'

/** Milliseconds after which a task that has not settled is read again. They double each time. */
const POLL = 100
/** Milliseconds between two tries to store an announcement. */
const RETRY = 500

interface AnnouncedJob { task: Packed }

/** The queue whose tasks are announced. */
export interface AnnouncedQueue {
  /** Reads a task, as `Queue.get` does. */
  get (name: string, id: number): Promise<StoredTask | undefined>
  /** Adds an event that all watchers of the queue are notified of. */
  publish (event: string): Promise<unknown>
}

/** The queue that the announcements of a queue are stored in. No kind's queue has such a name: theirs have four hex digits after a `%`. */
export function announcementsOf (queue: string): string {
  return `%settled.${queue}`
}

/**
 * Calls `onSettled` for the tasks of a queue, once they have settled. Before a process settles a task, it adds an announcement: a job in
 * a second queue, with the id of the task, so that each task has only one. If the process then dies, the announced task has not settled.
 * So the process that takes an announcement reads the task, and puts the announcement off until the task has settled.
 */
export class Announcements {
  readonly #name: string
  readonly #onSettled: OnSettled
  readonly #shared: Shared
  readonly #queue: AnnouncedQueue
  #made: Queue<AnnouncedJob> | undefined
  #worker: TaskWorker | undefined
  /** How many calls of `onSettled` run here. */
  #running = 0
  #closed = false

  constructor (name: string, onSettled: OnSettled, shared: Shared, queue: AnnouncedQueue) {
    this.#name = announcementsOf(name)
    this.#onSettled = onSettled
    this.#shared = shared
    this.#queue = queue
  }

  /** Adds the announcement of a task that is about to settle. `task` is what it will be then. */
  async add (task: StoredTask): Promise<void> {
    await this.#announcements.add('settled', { task: pack(task) }, {
      jobId: `~${tryOf(task)}`,
      attempts: SETTLED_TRIES,
      backoff: { type: 'exponential', delay: SETTLED_BACKOFF },
      removeOnComplete: true,
      removeOnFail: true
    })
  }

  /** As `add`, but waits for the server as long as it takes. */
  async addForCertain (task: StoredTask): Promise<void> {
    while (!this.#closed) {
      try {
        return await this.add(task)
      } catch (error) {
        this.#shared.health.report(error as Error)
        await setTimeout(RETRY, undefined, { ref: false })
      }
    }
  }

  /** Takes announcements from now on. */
  async work (): Promise<void> {
    this.#worker = new TaskWorker(this.#name, (job, token) => this.#process(job, token!), this.#shared, { concurrency: 10, maxStalledCount: SETTLED_TRIES })
    for (const ended of ['completed', 'failed'] as const) this.#worker.on(ended, () => this.#ended())
    await this.#worker.start()
  }

  /** Takes no more announcements, and waits so many milliseconds for those that run. Another process takes over the rest. */
  async stop (timeout: number): Promise<void> {
    if (this.#worker !== undefined && !await settlesWithin(this.#worker.close(), timeout)) await settlesWithin(this.#worker.abandon(), 1000)
  }

  async close (): Promise<void> {
    this.#closed = true
    await this.#made?.close()
  }

  async #process (job: Job<AnnouncedJob>, token: string): Promise<void> {
    this.#running++
    try {
      await this.#announce(job, token)
    } finally {
      this.#running--
    }
  }

  /**
   * Wakes up those who wait for the queue to be idle: an announcement is gone. While other calls run here, the last of them does it. If
   * the event is lost, a poll finds out.
   */
  #ended () {
    if (this.#running === 0) this.#queue.publish('announced').catch(() => {})
  }

  async #announce (job: Job<AnnouncedJob>, token: string): Promise<void> {
    const announced = unpack(job.data.task) as StoredTask
    const found = await this.#queue.get(announced.name, announced.id)
    if (found === undefined || found.retries !== announced.retries) return await this.#onSettled(announced) // it has settled, and is gone or runs again
    if (found.settledAt === undefined) {
      const wait = Math.min(POLL * 2 ** job.attemptsStarted, this.#shared.stallTimeout)
      await job.moveToDelayed(Date.now() + wait, token)
      throw new DelayedError()
    }
    // If the task has lost its name, its data and its runs are not known.
    const { data, maxAttempts } = announced
    await this.#onSettled({ ...found, data, attempts: found.attempts.length > 0 ? found.attempts : announced.attempts, maxAttempts })
  }

  get #announcements (): Queue<AnnouncedJob> {
    return (this.#made ??= makeQueue<AnnouncedJob>(this.#name, this.#shared))
  }
}
