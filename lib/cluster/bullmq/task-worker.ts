import { setTimeout as delay } from 'node:timers/promises'
import { Job, Worker, type Processor, type WorkerOptions } from 'bullmq'
import { refusalOf } from './connection-error.ts'
import type { Shared } from './shared.ts'
import type { Store } from './store.ts'

/** Milliseconds after which a command that the server has refused is sent again. */
const RETRY = 1000
/** Milliseconds by which the answer about expired locks may be late: more of them may have expired by then. */
const LATE = 5000

/** A worker of a queue that can be abandoned. A plain worker of BullMQ renews the locks of its jobs until all of them have ended. */
export class TaskWorker extends Worker<any, any, string, any> {
  readonly #store: Store
  readonly #stallTimeout: number
  /** Errors of results that could not be stored. */
  readonly #notStored = new WeakSet<Error>()
  readonly #closing = new AbortController()
  /** The last run of each job that this worker runs. */
  readonly #last = new Map<string, { readonly token: string, readonly startedAt: number }>()

  constructor (queue: string, process: Processor<any, any, string>, { store, options, stallTimeout, health }: Shared, own: Omit<WorkerOptions, 'connection'>) {
    store.reserve()
    super(queue, process, {
      ...store.optionsOf(queue),
      ...options,
      autorun: false,
      lockDuration: stallTimeout,
      stalledInterval: Math.max(1, Math.floor(stallTimeout / 4)),
      runRetryDelay: 1000,
      ...own
    }, store.backend)
    this.#store = store
    this.#stallTimeout = stallTimeout
    this.on('error', error => health.report(error))
    this.on('closing', () => this.#closing.abort())
  }

  /** Takes jobs from now on. */
  async start (): Promise<void> {
    await this.waitUntilReady()
    this.run().catch(error => this.emit('error', error))
  }

  /**
   * Runs a job. BullMQ renews one lock of each job, and stops when a run of it ends. If this worker lost the job and got it back, that may
   * be the earlier run: then the lock of the later one is renewed again.
   */
  override async processJob (...args: Parameters<Worker['processJob']>) {
    const [job, token] = args
    const id = job.id!
    const run = { token, startedAt: job.processedOn! }
    this.#last.set(id, run)
    try {
      return await super.processJob(...args)
    } finally {
      const last = this.#last.get(id)
      if (last === run) this.#last.delete(id)
      else if (last !== undefined) this.lockManager.trackJob(id, last.token, last.startedAt)
    }
  }

  /**
   * Renews locks. Returns the jobs that another process may have. If this worker was given a job again while the server answered, the
   * answer is about the lock of an earlier run.
   */
  override async extendJobLocks (jobIds: string[], tokens: string[], duration: number): Promise<string[]> {
    const runs = new Map(jobIds.map(id => [id, this.#last.get(id)]))
    const lost = await super.extendJobLocks(jobIds, tokens, duration)
    return lost.filter(id => this.#last.get(id) === runs.get(id))
  }

  /** Takes a job. If the server refuses that, BullMQ tries again at once, so this waits before. */
  protected override async moveToActive (...args: Parameters<Worker['moveToActive']>) {
    try {
      return await super.moveToActive(...args)
    } catch (error) {
      if (refusalOf(error) !== undefined) await this.#pause()
      throw error
    }
  }

  /** Stores a result. If the server refuses it, tries again for as long as the lock lasts. */
  protected override async handleCompleted (...args: Parameters<Worker['handleCompleted']>) {
    for (;;) {
      try {
        return await super.handleCompleted(...args)
      } catch (error) {
        if (refusalOf(error) === undefined || this.closing !== undefined) {
          this.#notStored.add(error as Error)
          throw error
        }
        this.emit('error', error as Error)
        await this.#pause()
      }
    }
  }

  /** Fails a job whose run has failed. A job that BullMQ would fail because its result was not stored is left for a takeover. */
  protected override async handleFailed (...args: Parameters<Worker['handleFailed']>) {
    const [error] = args
    if (this.#notStored.has(error)) throw error
    return await super.handleFailed(...args)
  }

  /**
   * Calls back for each job that this worker moves back to the queue because its lock has expired. Of all workers of the fleet, one moves
   * it. The name of the worker that ran it is read before, since another may take it at once. It is undefined if it may have changed since.
   * The job is as it is afterwards, or undefined if it cannot be read.
   */
  onTakeover (callback: (jobId: string, previous: string | undefined, job: Job | undefined) => void) {
    const { backend } = this
    const move: () => Promise<string[]> = backend.moveStalledJobsToWait.bind(backend)
    backend.moveStalledJobsToWait = async () => {
      const readAt = Date.now()
      const workers = await this.#store.workersOfExpired(this, LATE)
      const moved = await move()
      if (Date.now() - readAt >= this.#stallTimeout) workers.clear()
      for (const jobId of moved) {
        const read = Job.fromId(this, jobId).catch(() => undefined)
        read.then(job => callback(jobId, workers.get(jobId), job)).catch(error => this.emit('error', error)) // a job that is not ours
      }
      return moved
    }
  }

  /** Waits before a command that was refused is sent again. It does not hold up a close. */
  async #pause () {
    await delay(RETRY, undefined, { ref: false, signal: this.#closing.signal }).catch(() => {})
  }

  async abandon () {
    await this.lockManager.close()
    await this.backend.close(true)
  }
}
