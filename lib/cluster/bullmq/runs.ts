import { WaitingError, type WorkerOptions } from 'bullmq'
import { hostname } from 'node:os'
import { setInterval, clearInterval } from 'node:timers'
import type { TaskAttempt } from '../../../types/cluster.ts'
import { settlesWithin } from '../../core/within.ts'
import { attemptOf, MAX_ATTEMPTS_KEPT, type Outcome, type QueueSettings, type Run, type Running, type Stopped, type StoredError, type StoredTask } from '../engine.ts'
import { FST_ERR_TASK_HANDED_OVER, FST_ERR_TASK_STALLED } from '../errors.ts'
import { fromStoredError } from '../stored-error.ts'
import type { Announcements } from './announcements.ts'
import { tryOf, type Cancellations, type Mark } from './cancellations.ts'
import type { EngineLog } from './health-monitor.ts'
import { identityOf, readJob, readWorker, stallsOf, toReason, workerName, type JobResult, type TaskJob } from './job.ts'
import { pack, unpack } from './packed.ts'
import type { Parts } from './parts.ts'
import { ProgressWriter } from './progress-writer.ts'
import type { Store } from './store.ts'
import { takeoverLine } from './takeover.ts'
import { TaskWorker } from './task-worker.ts'

/** The end of a task that has not completed. */
type Unrun = Pick<Exclude<Outcome, { status: 'completed' }>, 'status' | 'error'>

/** A run in this process. `stop` says why it was stopped. */
interface Active {
  readonly task: StoredTask
  /** Of which try of the task it is a run. */
  readonly tryId: string
  readonly jobId: string
  readonly running: Running
  readonly progress: ProgressWriter
  stop: 'cancelled' | 'handed over' | 'lost' | undefined
}

/** Tells BullMQ to fail a job. By the name of its own class for that, BullMQ knows that it must not be tried again. */
class Failure extends Error {
  constructor (reason: string, final: boolean) {
    super(reason)
    if (final) this.name = 'UnrecoverableError'
    delete this.stack
  }
}

/** How many characters of results the events may hold before they are trimmed, and how many events are kept at least. */
const COPIES = 2_000_000
const MIN_EVENTS = 20

/** Milliseconds that a poll for marks may take before the next one does not wait for it. */
const MAX_POLL = 30_000

/** The greatest number that PostgreSQL's functions take. */
const MAX_INT32 = 2 ** 31 - 1

const self = { host: hostname(), pid: process.pid }

/**
 * Runs the tasks of a queue in this process.
 *
 * A process that was stopped for longer than `stallTimeout` may write late. What keeps each of its writes out:
 * - start: a job that was given long ago is run only if the server still has this lock for it;
 * - progress: the server compares the lock's token as it stores (`Store.storeProgress`);
 * - result, failure, back-off, hand-over: BullMQ's scripts and functions compare the token in the same step;
 * - the lock itself: BullMQ renews only one that has this token, and `#lose` aborts the run if it does not;
 * - marks: their id has the task's id and the number of its retry, so one never counts for a successor.
 */
export class Runs {
  readonly #kind: string
  readonly #queue: string
  readonly #log: EngineLog
  readonly #settings: QueueSettings
  readonly #cancellations: Cancellations
  readonly #run: Run
  readonly #announcements: Announcements | undefined
  readonly #store: Store
  readonly #stallTimeout: number
  /** Of how many results of this process, and of how many characters, the events have got copies since they were trimmed. */
  readonly #copied = { count: 0, length: 0 }
  /** The runs of this process. A run that has lost its task may go on beside the next one of the same try. */
  readonly #active = new Set<Active>()
  /** The tasks that have a stored mark of their cancellation. */
  readonly #marked = new WeakMap<TaskJob, StoredTask>()
  /** The names of the tasks that were handed over. */
  readonly #handedOver: string[] = []
  readonly #worker: TaskWorker
  readonly #polling: NodeJS.Timeout
  /** When the poll that is under way began. */
  #polledAt: number | undefined
  #stopping = false

  constructor ({ kind, name: queue, settings, shared, announcements }: Parts, run: Run) {
    const { store, stallTimeout, cancellations, log } = shared
    this.#kind = kind
    this.#queue = queue
    this.#log = log
    this.#settings = settings
    this.#cancellations = cancellations
    this.#run = run
    this.#announcements = announcements
    this.#store = store
    this.#stallTimeout = stallTimeout
    this.#worker = new TaskWorker(queue, (job, token) => this.#process(job, token!), shared, {
      name: workerName(self),
      concurrency: settings.concurrency,
      // A task that BullMQ itself fails is neither logged nor announced. So only `#refuse` counts the stalls.
      maxStalledCount: MAX_INT32,
      ...(settings.limit !== undefined && { limiter: settings.limit }),
      metrics: { maxDataPoints: 60 },
      ...keep(settings.maxSettled === 0 ? store.leastSettled : settings.maxSettled, settings.maxSettledAge)
    })
    this.#worker.onTakeover((jobId, previous, job) => this.#logTakeover(jobId, previous, job))
    this.#worker.on('lockRenewalFailed', jobIds => this.#lose(jobIds))
    this.#worker.on('completed', job => {
      this.#settled(job)
      this.#boundEvents(job)
    })
    this.#worker.on('failed', job => this.#settled(job))
    this.#polling = setInterval(() => this.#poll(), stallTimeout / 2)
    this.#polling.unref()
  }

  async start (): Promise<void> {
    await this.#cancellations.listen(this.#queue, (id, error) => this.#cancel(id, error))
    await this.#worker.start()
  }

  async stop (drainTimeout: number, cancelTimeout: number): Promise<Stopped> {
    const left = await this.#stopRunning(drainTimeout, cancelTimeout)
    return { handedOver: this.#handedOver, cancelled: [], left }
  }

  /** Returns the tasks that have not stopped. */
  async #stopRunning (drainTimeout: number, cancelTimeout: number): Promise<string[]> {
    this.#stopping = true
    clearInterval(this.#polling)
    const closed = this.#worker.close()
    // If nothing runs here, it waits only for the server, which may be away.
    const most = this.#active.size === 0 ? 1000 : Infinity
    if (await settlesWithin(closed, Math.min(drainTimeout, most))) return []
    for (const active of this.#active) {
      this.#stop(active, 'handed over', new FST_ERR_TASK_HANDED_OVER(`task "${active.task.name}"`, 'the app is closing'))
    }
    if (await settlesWithin(closed, Math.min(cancelTimeout, most))) return []
    const left = [...this.#active]
    for (const { progress, running } of left) {
      progress.stop()
      running.abandon()
    }
    await settlesWithin(this.#worker.abandon(), 1000)
    return left.map(({ task }) => task.name)
  }

  /**
   * Processes a job. What it returns or throws decides what BullMQ does with the job. A task fails only by an error that was made for that:
   * after any other error, such as that of a connection that broke, the lock expires and the task is taken over, `maxStalls` times at most.
   */
  async #process (job: TaskJob, token: string): Promise<JobResult> {
    try {
      return await this.#runOrEnd(job, token)
    } catch (error) {
      if (error instanceof WaitingError || error instanceof Failure || stallsOf(job) > this.#settings.maxStalls) throw error
      this.#worker.emit('error', error as Error)
      throw new WaitingError()
    }
  }

  async #runOrEnd (job: TaskJob, token: string): Promise<JobResult> {
    const task = readJob(job, 'active')
    this.#lose([job.id!]) // whoever runs it here has lost it, since the server has given it away again
    if (this.#stopping) return await this.#handOver(job, token)
    await this.#refuse(job, token, task)
    await this.#assertOurs(job, token)
    const { outcome, stop, progress } = await this.#runTask(job, token, task)
    if (stop === 'lost') throw new WaitingError()
    const endedAt = Date.now()
    const run = () => attemptOf({ attempt: task.attempt, startedAt: task.startedAt, endedAt, worker: self, outcome })
    const announce = () => this.#announcements?.addForCertain(settledAs(task, run(), progress, outcome))
    if (outcome.status === 'completed') {
      await announce()
      return { ...identityOf(task), ...pack(outcome.result) }
    }
    if (stop === 'handed over') return await this.#handOver(job, token, task)
    job.opts.stackTraceLimit = MAX_ATTEMPTS_KEPT
    const final = stop === 'cancelled' || outcome.status === 'cancelled' || outcome.final
    if (final || task.attempt >= task.maxAttempts) await announce()
    const failure = this.#failure(task, outcome, { final })
    failure.stack = JSON.stringify(run())
    throw failure
  }

  /**
   * Throws unless this run still has the lock: the process may have been stopped since it got the job. Asks the server only if that was
   * long ago.
   */
  async #assertOurs (job: TaskJob, token: string): Promise<void> {
    if (Date.now() - job.processedOn! < this.#stallTimeout / 2) return
    if (await job.extendLock(token, this.#stallTimeout) !== 1) throw new WaitingError()
  }

  /** Throws for a task that must not run: it was cancelled, or it has stalled too often. */
  async #refuse (job: TaskJob, token: string, task: StoredTask): Promise<void> {
    const { cancelled } = job.data
    if (cancelled !== undefined) {
      const unrun = cancelled.settled || job.attemptsStarted === cancelled.starts + 1
      return await this.#end(task, { status: 'cancelled', error: unpack(cancelled.error) as StoredError }, { unrun, announced: cancelled.settled })
    }
    const received = this.#cancellations.recall(this.#queue, task)
    const mark = received === undefined ? await this.#storedCancellationOf(job, task) : undefined
    const reason = received ?? mark?.error
    if (reason !== undefined) {
      this.#marked.set(job, task)
      const settled = mark?.settled === true
      return await this.#end(task, { status: 'cancelled', error: reason }, { unrun: settled, announced: settled })
    }
    if (stallsOf(job) <= this.#settings.maxStalls) return
    await this.#assertOurs(job, token)
    const { outcome } = this.#run(task, () => {}, new FST_ERR_TASK_STALLED(`task "${task.name}"`))
    await this.#end(task, await outcome as Unrun)
  }

  /** Ends a task without a run. `announced`: the process that cancelled it has announced that it has settled. */
  async #end (task: StoredTask, outcome: Unrun, { unrun = false, announced = false } = {}): Promise<never> {
    if (!announced) await this.#announcements?.addForCertain({ ...task, ...outcome, attempt: task.attempt - 1, settledAt: Date.now() })
    throw this.#failure(task, outcome, { final: true, unrun })
  }

  /** Runs a task until its work has ended and its last progress is stored. */
  async #runTask (job: TaskJob, token: string, task: StoredTask): Promise<{ outcome: Outcome, stop: Active['stop'], progress: unknown }> {
    const progress = new ProgressWriter(() => this.#storeProgress(job, token, active))
    const active: Active = { task, tryId: tryOf(task), jobId: job.id!, running: this.#run(task, () => progress.changed()), progress, stop: undefined }
    this.#active.add(active)
    const outcome = await active.running.outcome
    await progress.end()
    this.#active.delete(active)
    if (active.stop === 'cancelled') this.#marked.set(job, task)
    return { outcome, stop: active.stop, progress: active.running.progress() }
  }

  /** Moves a job back to the front of the queue, as if it had not run. `task`: it had begun. */
  async #handOver (job: TaskJob, token: string, task?: StoredTask): Promise<never> {
    await job.moveToWait(token)
    if (task !== undefined) this.#handedOver.push(task.name)
    throw new WaitingError()
  }

  #failure (task: StoredTask, { status, error }: Unrun, { final, unrun = false }: { final: boolean, unrun?: boolean }): Failure {
    const reason = toReason({ status, ...identityOf(task), at: Date.now(), ...(unrun && { unrun }), ...error })
    return new Failure(reason, final)
  }

  /** Reads the mark of a task that may have run before. No other task can have one. */
  #storedCancellationOf (job: TaskJob, task: StoredTask): Promise<Mark | undefined> | undefined {
    return job.attemptsStarted <= 1 && job.repeatJobKey === undefined ? undefined : this.#markOf(task)
  }

  /** Polls, unless a poll is under way. One that takes very long has lost its connection. */
  #poll () {
    const now = performance.now()
    if (this.#polledAt !== undefined && now - this.#polledAt < MAX_POLL) return
    this.#polledAt = now
    this.#pollMarks().finally(() => { if (this.#polledAt === now) this.#polledAt = undefined })
  }

  async #pollMarks () {
    for (const active of [...this.#active]) { // not those that begin meanwhile: they would have no end
      const mark = await this.#markOf(active.task)
      if (mark !== undefined) this.#stop(active, 'cancelled', fromStoredError(mark.error))
    }
  }

  /** Undefined also if the mark cannot be read now: it is read again later. */
  async #markOf (task: StoredTask): Promise<Mark | undefined> {
    try {
      return await this.#cancellations.markOf(this.#queue, task)
    } catch {
      return undefined
    }
  }

  #settled (job: TaskJob | undefined) {
    const task = job === undefined ? undefined : this.#marked.get(job)
    if (task !== undefined) this.#cancellations.forget(this.#queue, task)
  }

  /** BullMQ's event of a completed job has a copy of its result. BullMQ limits how many events there are, but not how long they are. */
  #boundEvents ({ returnvalue }: TaskJob) {
    const { value, json } = (returnvalue ?? {}) as { value?: unknown, json?: string }
    if (json === undefined && (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null)) return
    this.#copied.count++
    this.#copied.length += json?.length ?? JSON.stringify(value).length
    if (this.#copied.length < COPIES) return
    // If the results of other processes are like these, the events that are kept have about as many characters.
    const kept = Math.max(MIN_EVENTS, this.#copied.count)
    this.#copied.count = this.#copied.length = 0
    this.#store.trimEvents(this.#worker, kept).catch(() => {}) // it is tried again after the next results
  }

  #logTakeover (jobId: string, previous: string | undefined, job: TaskJob | undefined) {
    const { maxStalls } = this.#settings
    const line = takeoverLine({ kind: this.#kind, jobId, job, worker: readWorker(previous), maxStalls })
    if (line !== undefined) this.#log.warn(line.message, line.details)
  }

  #cancel (id: string, error: StoredError) {
    for (const active of this.#active) {
      if (active.tryId === id) this.#stop(active, 'cancelled', fromStoredError(error))
    }
  }

  /** Aborts runs whose lock was not renewed in time: another process may now run their tasks. */
  #lose (jobIds: string[]) {
    for (const active of this.#active) {
      if (!jobIds.includes(active.jobId)) continue
      active.progress.stop()
      this.#stop(active, 'lost', new FST_ERR_TASK_HANDED_OVER(`task "${active.task.name}"`, 'it has been taken over there'))
    }
  }

  #stop (active: Active, why: NonNullable<Active['stop']>, reason: Error) {
    if (active.stop === undefined || why === 'lost') active.stop = why
    active.running.abort(reason)
  }

  /** Stores the progress. The server refuses it if the lock of the job is no longer this run's. */
  async #storeProgress (job: TaskJob, token: string, { running, progress }: Active) {
    const stored = await this.#store.storeProgress(this.#worker, job.id!, token, pack(running.progress()))
    if (!stored) progress.stop()
  }
}

/** A task whose last run has ended, as it is once it has settled. */
function settledAs (task: StoredTask, run: TaskAttempt, progress: unknown, outcome: Outcome): StoredTask {
  const { status, result, error } = { result: undefined, error: undefined, ...outcome }
  return { ...task, status, progress, result, error, attempts: [...task.attempts, run].slice(-MAX_ATTEMPTS_KEPT), settledAt: run.endedAt }
}

/** How many settled tasks are kept, and for how long. BullMQ takes seconds. */
function keep (maxSettled: number, maxSettledAge: number): Pick<WorkerOptions, 'removeOnComplete' | 'removeOnFail'> {
  if (maxSettled === Infinity && maxSettledAge === Infinity) return {}
  const kept = {
    ...maxSettled !== Infinity && { count: maxSettled },
    ...maxSettledAge !== Infinity && { age: Math.ceil(maxSettledAge / 1000) }
  } as { count: number }
  return { removeOnComplete: kept, removeOnFail: kept }
}
