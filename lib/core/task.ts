import { AsyncLocalStorage } from 'node:async_hooks'
import { inspect } from 'node:util'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { CancelOptions, Task as PublicTask, TaskState, TaskStatus, TaskWatch, TaskWork, WatchOptions } from '../../types/index.ts'
import { AbortError, isAbort } from './abort.ts'
import { Cancellation } from './cancellation.ts'
import { epochTime, now } from './clock.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_TIMEOUT } from './errors.ts'
import { runGenerator, type RunningGenerator } from './generator.ts'
import { hideClass } from './hide-class.ts'
import { ListItem } from './linked-list.ts'
import { checkCancelOptions, checkWatchOptions } from './options.ts'
import { letGoOfFrames } from './stack.ts'
import { taskLabel } from './task-label.ts'
import { printedState, taskState } from './task-state.ts'
import { traceStart } from './tracing.ts'
import { Watch } from './watch.ts'
import { within } from './within.ts'
import { isGenerator, isPromise, isThenable, type GeneratorWork } from './work.ts'

/** What a task reports its changes to. */
export interface TaskOwner {
  readonly cancelTimeout: number
  /** The status of an unsettled task has changed. */
  statusChanged (task: Task, previous: TaskStatus): void
  /** Called before anything that waits for the task. */
  settled (task: Task, previous: TaskStatus, settledAt: number): void
  /** A settled task can be told of: its signal has called its listeners. */
  report (task: Task): void
  /** Returns a function to call when the watch has ended. */
  watched (watch: Watch<unknown>, task: Task<any, any, any>): () => void
  /** The scope of an `await using` has ended. */
  disposed (task: Task): void
}

/** Runs a callback outside of every request's async context. On Node 20 a promise keeps the stores of the context that it was made in. */
const outOfContext = AsyncLocalStorage.snapshot()

/**
 * One piece of background work: what it does, its status, and how it ended.
 *
 * Its properties and methods are the documented ones. What only this package may do with a task is in static methods, which
 * users cannot reach.
 */
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
  /** What runs the work, if the work is a generator or a promise. */
  #source: RunningGenerator | 'promise' | undefined = undefined
  #cancellation: Cancellation | undefined = undefined
  /** The result of a completed task, the error of any other settled task. */
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
    if (this.settled) return
    this.#progress = progress
    Task.#notify(this)
  }

  get signal () {
    const cancellation = (this.#cancellation ??= new Cancellation())
    const { signal } = cancellation
    if (this.settled) cancellation.end()
    return signal
  }

  get finished () {
    if (this.#finished === undefined) {
      this.#finished = outOfContext(() => new Promise((resolve, reject) => {
        Task.onceSettled(this, () => {
          if (this.#status === 'completed') resolve(this.#outcome as T)
          else reject(this.#outcome)
        })
      }))
      this.#finished.catch(() => {})
    }
    return this.#finished
  }

  cancel (options: CancelOptions = {}): Promise<void> {
    const ended = Task.#cancel(this, options)
    ended.catch(() => {})
    return ended
  }

  watch (options: WatchOptions = {}): TaskWatch<TaskState<Progress>> {
    checkWatchOptions(options, this)
    return new Watch(() => this.toJSON(), () => this.settled, {
      signal: options.signal,
      interval: options.interval,
      join: watch => {
        const leaves = [Task.onChange(this, () => watch.changed()), this.#owner.watched(watch, this)]
        return () => { for (const leave of leaves) leave() }
      }
    })
  }

  [Symbol.asyncDispose] (): Promise<void> {
    const disposed = Task.#cancel(this, {}).finally(() => this.#owner.disposed(this))
    disposed.catch(() => {})
    return disposed
  }

  toJSON (): TaskState<Progress> {
    return taskState(this)
  }

  [inspect.custom] (): object {
    return printedState(this)
  }

  /** Calls back at every change of status or progress, until the task has settled. Returns a function that removes the callback. */
  static onChange (task: Task<any, any, any>, callback: () => void): () => void {
    if (!task.settled) (task.#whenChanged ??= new Set()).add(callback)
    return () => { task.#whenChanged?.delete(callback) }
  }

  /** Calls back when the task has settled; at once if it has. Returns a function that removes the callback. */
  static onceSettled (task: Task<any, any, any>, callback: () => void): () => void {
    if (task.settled) callback()
    return Task.onChange(task, () => { if (task.settled) callback() })
  }

  /** Whether `finished` was read, so that somebody may see the error. */
  static isFinishedRead (task: Task): boolean {
    return task.#finished !== undefined
  }

  /** Starts the work, unless the task was cancelled before. `startedAt` is a time of `now()`, by default that of `addTask`. */
  static start (task: Task, work: TaskWork<unknown>, app: FastifyInstance, timeout = Infinity, startedAt = task.#createdAt) {
    if (task.#status !== 'deferred') return
    task.#startedAt = startedAt
    if (isPromise(work)) task.#source = 'promise'
    Task.#setStatus(task, 'running')
    if (timeout !== Infinity) Task.failAfter(task, timeout, () => new FST_ERR_TASK_TIMEOUT(taskLabel(task), timeout))
    traceStart(task, Task.#run, work, app)
  }

  /**
   * Aborts the work. If that ends the work, the task settles as `status`. Does nothing to a task that was aborted before or has
   * settled. The task of a promise settles at once, since nothing can stop a promise.
   */
  static abort (task: Task, reason: unknown, status: 'cancelled' | 'failed' = 'cancelled') {
    if (task.settled || task.#cancellation?.status !== undefined) return
    const cancellation = (task.#cancellation ??= new Cancellation())
    cancellation.status = status
    cancellation.reason = reason
    const source = task.#source
    if (task.#status === 'deferred' || source === 'promise') {
      Task.#settle(task, status, reason)
    } else {
      Task.#setStatus(task, 'cancelling')
      cancellation.abort()
      source?.aborted()
    }
  }

  /** Aborts the work after so many milliseconds. The task then fails with the error. The timer does not keep the process alive. */
  static failAfter (task: Task, ms: number, toError: () => Error) {
    const timer = setTimeout(() => Task.abort(task, toError(), 'failed'), ms)
    timer.unref()
    Task.onceSettled(task, () => clearTimeout(timer))
  }

  /** Logs at debug as `task.log` does, without making that logger. If the logger throws, the line is lost. */
  static debug (task: Task, message: string) {
    try {
      task.#parentLog.debug({ task: task.#name ?? task.#id }, message)
    } catch {}
  }

  /** Calls the work. */
  static #run (task: Task, work: TaskWork<unknown>, app: FastifyInstance) {
    Task.debug(task, 'task started')
    try {
      const value = typeof work === 'function' ? work(app, task) : work
      if (isThenable(value)) Task.#follow(task, Promise.resolve(value))
      else if (isGenerator(value)) Task.#runGenerator(task, value)
      else Task.#settle(task, 'completed', value)
    } catch (error) {
      Task.#threw.call(task, error)
    }
  }

  /** Settles the task as the promise settles. Bound functions take 60 bytes less than closures. */
  static #follow (task: Task, promise: Promise<unknown>) {
    promise.then(Task.#returned.bind(task), Task.#threw.bind(task))
  }

  static #runGenerator (task: Task, generator: GeneratorWork<unknown, unknown>) {
    const source = runGenerator(generator, { task, abortReason: () => task.#cancellation?.reason })
    task.#source = source
    Task.#follow(task, source.ended)
  }

  /** A generator is run even if an async function returned it. Functions that wrap a generator function may be async. */
  static #returned (this: Task, result: unknown) {
    if (this.#source === undefined && isGenerator(result)) Task.#runGenerator(this, result)
    else Task.#settle(this, 'completed', result)
  }

  static #threw (this: Task, error: unknown) {
    const { status, reason } = this.#cancellation ?? {}
    if (status !== undefined && isAbort(error, reason, this.#source !== undefined)) Task.#settle(this, status, reason)
    else Task.#settle(this, 'failed', error)
  }

  /** Cancels the task and waits until it has settled. */
  static async #cancel (task: Task<any, any, any>, options: CancelOptions) {
    checkCancelOptions(options, task)
    if (task.settled) return
    const { reason = `Cancelled ${taskLabel(task)}`, timeout = task.#owner.cancelTimeout } = options
    Task.abort(task, typeof reason === 'string' ? new AbortError(reason) : reason)
    if (task.settled) return
    if (!await within(settled => Task.onceSettled(task, settled), timeout)) throw new FST_ERR_TASK_CANCEL_TIMEOUT(taskLabel(task), timeout)
  }

  static #setStatus (task: Task, status: TaskStatus) {
    const previous = task.#status
    task.#status = status
    task.#owner.statusChanged(task, previous)
    Task.#notify(task)
  }

  static #notify (task: Task<any, any, any>) {
    if (task.#whenChanged === undefined) return
    for (const callback of task.#whenChanged) callback()
  }

  /**
   * Settles the task and drops everything but its state, data and outcome. Does nothing the second time: a promise may settle
   * after its task was cancelled.
   */
  static #settle (task: Task, status: 'completed' | 'failed' | 'cancelled', outcome: unknown) {
    if (status !== 'completed') letGoOfFrames(outcome)
    const cancellation = task.#cancellation
    if (cancellation !== undefined && cancellation.reason !== outcome) letGoOfFrames(cancellation.reason)
    if (task.settled) return // A getter of the error may have cancelled the task.
    const previous = task.#status
    const settledAt = now()
    task.#outcome = outcome
    task.#settledAt = settledAt
    task.#source = undefined
    task.#status = status
    // A getter of the progress or a listener of the signal may add a task of the same name, so the owner is told first.
    task.#owner.settled(task, previous, settledAt)
    Task.#notify(task)
    task.#whenChanged = undefined
    cancellation?.end()
    task.#owner.report(task)
  }
}

hideClass(Task)
hideClass(ListItem)
