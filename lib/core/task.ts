import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { CancelOptions, Task as PublicTask, TaskState, TaskStatus, TaskWatch, TaskWork, WatchOptions } from '../../types/index.ts'
import { AbortError, isAbort } from './abort.ts'
import { Cancellation } from './cancellation.ts'
import { epochTime, now } from './clock.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_TIMEOUT } from './errors.ts'
import { drive, isGenerator } from './generator.ts'
import { ListItem } from './linked-list.ts'
import { checkCancelOptions, checkWatchOptions } from './options.ts'
import { letGoOfFrames } from './stack.ts'
import { taskLabel } from './task-label.ts'
import { errorState, taskState } from './task-state.ts'
import { isThenable } from './thenable.ts'
import { traceStart } from './tracing.ts'
import { Watch } from './watch.ts'
import { within } from './within.ts'

/** Whom a task tells that its status has changed, that it has settled, that it is watched, and that its scope has ended. */
export interface TaskOwner {
  readonly cancelTimeout: number
  changed (task: Task, from: TaskStatus): void
  settled (task: Task): void
  /** Answers how to take the watch back. */
  watched (watch: Watch<unknown>): () => void
  disposed (task: Task): void
}

/** Runs a callback in no request's async context: on Node 20 a promise keeps the stores that it was made in. */
const outOfContext = AsyncLocalStorage.snapshot()

/** One piece of background work: what it does, where it is in its life, and how it ended. */
export class Task<T = unknown, Data = unknown, Progress = unknown> extends ListItem implements PublicTask<T, Data, Progress> {
  readonly #id: number
  readonly #name: string | undefined
  readonly #kind: string | undefined
  readonly #data: Data
  readonly #parentLog: FastifyBaseLogger
  readonly #owner: TaskOwner
  readonly #createdAt: number
  #startedAt: number | undefined = undefined
  #settledAt: number | undefined = undefined
  #status: TaskStatus = 'deferred'
  #progress: Progress | undefined = undefined
  /** A promise cannot be stopped. */
  #isPromise = false
  #cancellation: Cancellation | undefined = undefined
  /** The result of a completed task, the error of any other that has settled. */
  #outcome: unknown = undefined
  #whenChanged: Set<() => void> | undefined = undefined
  #finished: Promise<T> | undefined = undefined
  #log: FastifyBaseLogger | undefined = undefined

  constructor (id: number, name: string | undefined, kind: string | undefined, data: Data, createdAt: number, parentLog: FastifyBaseLogger, owner: TaskOwner) {
    super()
    this.#id = id
    this.#name = name
    this.#kind = kind
    this.#data = data
    this.#createdAt = createdAt
    this.#parentLog = parentLog
    this.#owner = owner
  }

  get id () { return this.#id }
  get name () { return this.#name }
  get kind () { return this.#kind }
  get data () { return this.#data }
  get status () { return this.#status }
  get settled () { return this.#settledAt !== undefined }
  get createdAt () { return epochTime(this.#createdAt) }
  get startedAt () { return epochTime(this.#startedAt) }
  get settledAt () { return epochTime(this.#settledAt) }
  get result () { return this.#status === 'completed' ? this.#outcome as T : undefined }
  get error () { return this.#status === 'failed' || this.#status === 'cancelled' ? this.#outcome : undefined }
  get log () { return (this.#log ??= this.#parentLog.child({ task: this.#name ?? this.#id })) }
  get progress () { return this.#progress }

  set progress (progress) {
    this.#progress = progress
    this.tellChange()
  }

  get signal () {
    const cancellation = (this.#cancellation ??= new Cancellation())
    const { signal } = cancellation
    if (this.settled) cancellation.end()
    return signal
  }

  /** Why the work is to stop; undefined while it is not. */
  get abortReason () { return this.#cancellation?.reason }

  get finished () {
    if (this.#finished === undefined) {
      this.#finished = outOfContext(() => new Promise((resolve, reject) => {
        this.onceSettled(() => {
          if (this.#status === 'completed') resolve(this.#outcome as T)
          else reject(this.#outcome)
        })
      }))
      this.#finished.catch(() => {})
    }
    return this.#finished
  }

  /** Whether anybody can learn from `finished` how the task ended. */
  get finishedSeen () { return this.#finished !== undefined }

  cancel (options: CancelOptions = {}): Promise<void> {
    const ended = this.end(options)
    ended.catch(() => {})
    return ended
  }

  watch (options: WatchOptions = {}): TaskWatch<TaskState<Progress>> {
    checkWatchOptions(options, this)
    return new Watch(() => this.toJSON(), () => this.settled, {
      signal: options.signal,
      join: watch => {
        const stops = [this.onChange(() => watch.changed()), this.#owner.watched(watch)]
        return () => { for (const stop of stops) stop() }
      }
    })
  }

  [Symbol.asyncDispose] (): Promise<void> {
    const disposed = this.end({}).finally(() => this.#owner.disposed(this))
    disposed.catch(() => {})
    return disposed
  }

  toJSON (): TaskState<Progress> {
    return taskState(this)
  }

  /** Calls back at every change of status or progress, until the task has settled. Answers how to take that back. */
  onChange (callback: () => void): () => void {
    if (!this.settled) (this.#whenChanged ??= new Set()).add(callback)
    return () => { this.#whenChanged?.delete(callback) }
  }

  /** Calls back when the task has settled; at once if it has. Answers how to take that back. */
  onceSettled (callback: () => void): () => void {
    if (this.settled) callback()
    return this.onChange(() => { if (this.settled) callback() })
  }

  /** Starts the work, unless the task was cancelled before. */
  start (work: TaskWork<T>, app: FastifyInstance, startedAt: number, timeout = Infinity) {
    if (this.#status !== 'deferred') return
    this.#startedAt = startedAt
    this.#isPromise = typeof work !== 'function'
    this.become('running')
    if (timeout !== Infinity) this.startTimeout(timeout)
    traceStart(this, work, app)
  }

  /** The synchronous part of the work. */
  run (work: TaskWork<unknown>, app: FastifyInstance) {
    this.debug('task started')
    try {
      const value = typeof work === 'function' ? work(app, this) : work
      if (isThenable(value)) this.follow(Promise.resolve(value))
      else if (isGenerator(value)) this.follow(drive(value, this))
      else this.returned(value)
    } catch (error) {
      this.threw(error)
    }
  }

  /** Aborts the work, which then ends as `status`, unless that was done before. A promise cannot be stopped: its task ends here. */
  abort (reason: unknown, status: 'cancelled' | 'failed' = 'cancelled') {
    if (this.settled || this.#cancellation?.status !== undefined) return
    const cancellation = (this.#cancellation ??= new Cancellation())
    cancellation.status = status
    cancellation.reason = reason
    if (this.#status === 'deferred' || this.#isPromise) {
      this.settle(status, reason)
    } else {
      this.become('cancelling')
      cancellation.abort()
    }
  }

  /**
   * Logs an error, or of one that the logger's serializers cannot take what can be told of it. A logger that throws even
   * then loses the line, not the task. Answers whether the error was logged: a logger without a use has one and the same
   * method for every level.
   */
  logError (error: unknown, message: string): boolean {
    for (const tell of [() => error, () => errorState(error)]) {
      try {
        this.log.error({ err: tell() }, message)
        return this.log.error !== this.log.trace
      } catch {}
    }
    return false
  }

  /** Logs as `log` would, without making one. A logger that throws loses the line, not the task. */
  debug (message: string) {
    try {
      this.#parentLog.debug({ task: this.#name ?? this.#id }, message)
    } catch {}
  }

  /** Cancels the task and waits until it has settled. */
  private async end (options: CancelOptions) {
    checkCancelOptions(options, this)
    if (this.settled) return
    const { reason = `Cancelled ${taskLabel(this)}`, timeout = this.#owner.cancelTimeout } = options
    this.abort(typeof reason === 'string' ? new AbortError(reason) : reason)
    if (this.settled) return
    if (!await within(settled => this.onceSettled(settled), timeout)) throw new FST_ERR_TASK_CANCEL_TIMEOUT(taskLabel(this), timeout)
  }

  private startTimeout (timeout: number) {
    const timer = setTimeout(() => {
      this.abort(new FST_ERR_TASK_TIMEOUT(taskLabel(this), timeout), 'failed')
    }, timeout)
    timer.unref()
    this.onceSettled(() => clearTimeout(timer))
  }

  private follow (promise: Promise<unknown>) {
    promise.then(this.returned.bind(this), this.threw.bind(this))
  }

  private returned (result: unknown) {
    this.settle('completed', result)
  }

  private threw (error: unknown) {
    const { status, reason } = this.#cancellation ?? {}
    if (status !== undefined && isAbort(error, reason)) this.settle(status, reason)
    else this.settle('failed', error)
  }

  private become (status: TaskStatus) {
    const from = this.#status
    this.#status = status
    this.#owner.changed(this, from)
    this.tellChange()
  }

  private tellChange () {
    if (this.#whenChanged === undefined) return
    for (const callback of this.#whenChanged) callback()
  }

  /** Lets go of all but the state, the data and the outcome. A promise may end after its task was cancelled; a task settles once. */
  private settle (status: 'completed' | 'failed' | 'cancelled', outcome: unknown) {
    if (this.settled) return
    if (status !== 'completed') letGoOfFrames(outcome)
    if (this.#cancellation !== undefined && this.#cancellation.reason !== outcome) letGoOfFrames(this.#cancellation.reason)
    this.#outcome = outcome
    this.#settledAt = now()
    this.become(status)
    this.#whenChanged = undefined
    this.#cancellation?.end()
    this.#owner.settled(this)
  }
}

// The methods are as read-only as the rest.
Object.freeze(Task.prototype)
Object.freeze(ListItem.prototype)
