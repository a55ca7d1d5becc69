import { AsyncResource } from 'node:async_hooks'
import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import type { CancelTaskOptions, GetTaskOptions, Task as PublicTask, TaskOptions, TaskReply, Tasks, TaskStatus, TaskWork } from '../../types/index.ts'
import { AbortError, onceAborted } from './abort.ts'
import { now } from './clock.ts'
import {
  FST_ERR_TASK_CLOSED,
  FST_ERR_TASK_DUPLICATE_NAME,
  FST_ERR_TASK_LIMIT,
  FST_ERR_TASK_NOT_FOUND
} from './errors.ts'
import { hideClass } from './hide-class.ts'
import { KeyLimits } from './key-limits.ts'
import { checkCancelTaskOptions, checkGetOptions, checkPurge, checkTaskOptions, checkWork, MAX_DELAY, type PluginSettings } from './options.ts'
import { logError, warnOfLostError } from './report-error.ts'
import { isOver, onceOver, waitForCutResponses } from './response.ts'
import type { SettledMinute } from './settled-history.ts'
import { Task, type TaskOwner } from './task.ts'
import { taskLabel } from './task-label.ts'
import { TaskLists } from './task-lists.ts'
import { traceSettled } from './tracing.ts'
import type { Watch } from './watch.ts'
import { settlesWithin, within } from './within.ts'
import { isLazy, isPromise, kindOf } from './work.ts'

/** A common reason that a task does not stop while the app closes. */
export const WAITS_FOR_ITSELF = 'A task that awaits app.close() waits for itself'

/** `app.tasks`: the documented part of the registry. */
class AppTasks implements Tasks {
  readonly #registry: TaskRegistry

  constructor (registry: TaskRegistry) {
    this.#registry = registry
  }

  get size () { return this.#registry.size }

  [Symbol.iterator] (): IterableIterator<Task> {
    return this.#registry.walk().sort((a, b) => a.id - b.id).values()
  }

  idle (): Promise<void> {
    return this.#registry.idle()
  }

  toJSON () {
    return Array.from(this, task => task.toJSON())
  }

  [inspect.custom] () {
    return Array.from(this)
  }

  static registryOf (tasks: AppTasks): TaskRegistry {
    return tasks.#registry
  }
}

hideClass(AppTasks)

/** The registry behind an app's `tasks`, for the cluster and the dashboard. */
export function registryOf (tasks: Tasks): TaskRegistry {
  return AppTasks.registryOf(tasks as AppTasks)
}

/** The tasks of an app: adds, finds and purges them, starts them when it is ready and ends them when it closes. */
export class TaskRegistry implements TaskOwner {
  /** What users see of it: `app.tasks`. */
  readonly tasks: Tasks = new AppTasks(this)
  readonly #app: FastifyInstance
  readonly #settings: PluginSettings
  readonly #lists: TaskLists
  readonly #keyLimits = new KeyLimits()
  readonly #draining = new Set<Task>()
  /** Calls of `onError` and `onPurged` that are pending. */
  readonly #calls = new Set<{ task: Task }>()
  /** How many settled tasks have not been reported yet. */
  #unreported = 0
  readonly #watches = new Map<Watch<unknown>, Task>()
  /**
   * The functions that start the tasks that wait for the app to be ready. If a task settles before that, its function is removed,
   * so that its work is not kept in memory.
   */
  readonly #deferred = new Set<() => void>()
  #ready = false
  #lastId = 0
  #closing = false
  #closed = false
  /** When draining ends, as a time of `now()`, if it began before `close()`. */
  #drainEndsAt: number | undefined = undefined
  #endOfWatches: NodeJS.Timeout | undefined = undefined
  #idle: Promise<void> | undefined = undefined
  readonly #whenIdle = new Set<() => void>()

  constructor (app: FastifyInstance, settings: PluginSettings) {
    this.#app = app
    this.#settings = settings
    const { onPurged } = settings
    this.#lists = new TaskLists(settings, onPurged && (task => this.#callOnPurged(task, onPurged)))
  }

  get cancelTimeout () { return this.#settings.cancelTimeout }

  get size () { return this.#lists.size }

  /** How many tasks of each status are in `tasks`. */
  get counts (): Readonly<Record<TaskStatus, number>> { return this.#lists.counts }

  /** How many tasks settled while they were in `tasks`, for each of the last 60 minutes, the oldest first. */
  get history (): SettledMinute[] { return this.#lists.history }

  /** The tasks, the settled ones before the others. Cheaper than an iteration, since it does not sort. */
  walk (): Task[] {
    return this.#lists.toArray()
  }

  /** Returns true if a task is in `tasks`. */
  has (task: PublicTask): boolean {
    return this.#lists.has(task as Task)
  }

  add<T> (app: FastifyInstance, work: TaskWork<T>, options: TaskOptions = {}): Task<T> {
    let previous
    try {
      checkTaskOptions(options)
      checkWork(work, options)
      previous = this.#admit(options)
    } catch (error) {
      this.#reportRejection(work)
      throw error
    }
    if (previous?.settled === false && options.onDuplicate === 'keep') {
      this.#reportRejection(work)
      return previous as Task<T>
    }

    const task: Task<T> = this.#create(app, work, options)
    if (options.register === false) this.#lists.addUnlisted(task)
    else this.#lists.addListed(task, previous, options.maxSettledAge)
    this.#begin(task, app, work, options, previous)
    return task
  }

  /** Adds a run of a cluster task. It is not in `tasks` and does not count for `maxTasks`: `concurrency` limits it. */
  addRun<T> (app: FastifyInstance, work: TaskWork<T>, options: TaskOptions): Task<T> {
    if (this.#closed) throw new FST_ERR_TASK_CLOSED(taskLabel(options))
    const task: Task<T> = this.#create(app, work, options)
    this.#lists.addRun(task)
    this.#begin(task, app, work, options)
    return task
  }

  /** Forgets a run of a cluster task that has not ended, so that `close()` does not wait for it. */
  forgetRun (task: Task) {
    this.#lists.forget(task)
    this.#notifyIdle()
  }

  get (name: string, options: GetTaskOptions = {}): Task | undefined {
    checkGetOptions(options, name)
    return this.#find(name, options)
  }

  cancel (name: string, options: CancelTaskOptions = {}): Promise<void> {
    const cancelled = this.#cancel(name, options)
    cancelled.catch(() => {})
    return cancelled
  }

  purge (which?: (task: Task) => boolean): number {
    checkPurge(which)
    return this.#lists.purge(which)
  }

  idle (): Promise<void> {
    if (this.#isIdle()) return Promise.resolve()
    // There is one promise for all callers, so that a caller who stops waiting leaves nothing behind.
    return (this.#idle ??= new Promise(resolve => this.#onceIdle(() => {
      this.#idle = undefined
      resolve()
    })))
  }

  /** The app is ready. Starts the deferred tasks. From now on tasks start when they are added. */
  start () {
    this.#ready = true
    for (const start of this.#deferred) start()
    this.#deferred.clear()
  }

  /**
   * The app begins to close. Ends the watches, since an open stream of states would hold up the server's close. The watch of a
   * draining task goes on, so that its reader learns how the task ends. Then `drainTimeout` counts from now.
   */
  beginClose () {
    this.#closing = true
    for (const [watch, task] of this.#watches) if (!this.#drains(task)) watch.end()
    if (this.#watches.size === 0) return
    this.beginDrain()
    const { drainTimeout } = this.#settings
    if (drainTimeout !== Infinity) this.#endOfWatches = setTimeout(() => this.#endWatches(), drainTimeout).unref()
  }

  /** Lets the time for draining count from now. What holds up the close meanwhile does not give draining tasks more time. */
  beginDrain () {
    this.#drainEndsAt ??= now() + this.#settings.drainTimeout
  }

  async close () {
    const hold = setInterval(() => {}, MAX_DELAY) // keeps the process alive for the onClose hooks after ours
    try {
      await this.#stop()
    } finally {
      clearTimeout(this.#endOfWatches)
      this.#endWatches()
      clearInterval(hold)
    }
  }

  statusChanged (task: Task, previous: TaskStatus) {
    this.#lists.statusChanged(task, previous)
  }

  settled (task: Task, previous: TaskStatus, settledAt: number) {
    this.#unreported++
    this.#lists.settled(task, previous, settledAt)
  }

  report (task: Task) {
    traceSettled(task, this.#report)
  }

  watched (watch: Watch<unknown>, task: Task) {
    if (this.#closing) watch.end()
    else this.#watches.set(watch, task)
    return () => { this.#watches.delete(watch) }
  }

  disposed (task: Task) {
    this.#lists.unlist(task)
  }

  #find (name: string, { optional }: GetTaskOptions): Task | undefined {
    const task = this.#lists.find(name)
    if (task === undefined && optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
    return task
  }

  async #cancel (name: string, options: CancelTaskOptions) {
    checkCancelTaskOptions(options, name)
    const { optional: _, ...cancelOptions } = options
    await this.#find(name, options)?.cancel(cancelOptions)
  }

  #isIdle () { return this.#lists.unsettledSize === 0 && this.#unreported === 0 && this.#calls.size === 0 }

  /** Calls back when no task is unsettled and no `onError` or `onPurged` is pending. Returns a function that removes the callback. */
  #onceIdle (callback: () => void): () => void {
    if (this.#isIdle()) callback()
    else this.#whenIdle.add(callback)
    return () => { this.#whenIdle.delete(callback) }
  }

  #notifyIdle () {
    if (this.#whenIdle.size === 0 || !this.#isIdle()) return
    const callbacks = [...this.#whenIdle]
    this.#whenIdle.clear()
    for (const callback of callbacks) callback()
  }

  /** Throws if the task cannot be added. Returns the task that has the name, if any. */
  #admit (options: TaskOptions): Task | undefined {
    if (this.#closed) throw new FST_ERR_TASK_CLOSED(taskLabel(options))
    const { name, register, onDuplicate, limit } = options
    const previous = name === undefined || register === false ? undefined : this.#lists.find(name)
    if (previous?.settled === false) {
      if (onDuplicate === 'keep') return previous
      if (onDuplicate !== 'replace') throw new FST_ERR_TASK_DUPLICATE_NAME(name!)
    }
    if (this.#lists.limitedSize >= this.#settings.maxTasks) {
      throw new FST_ERR_TASK_LIMIT(taskLabel(options), this.#settings.maxTasks, 'of the app')
    }
    if (limit !== undefined) this.#keyLimits.check(limit, taskLabel(options))
    return previous
  }

  #create<T> (app: FastifyInstance, work: TaskWork<T>, options: TaskOptions): Task<T> {
    const { name, data, after, drain, limit } = options
    const log = options.log ?? after?.log ?? app.log
    const task: Task<T> = new Task(++this.#lastId, name, kindOf(work, options), data, now(), log, this)
    if (drain === true) this.#addDraining(task)
    if (limit !== undefined) this.#countForKey(task, limit.key)
    return task
  }

  /** Starts a task, now or later, and cancels the one that it replaces. */
  #begin (task: Task, app: FastifyInstance, work: TaskWork<unknown>, { signal, after, timeout }: TaskOptions, previous?: Task) {
    if (isPromise(work) && !(isLazy(work) && signal?.aborted === true)) Task.start(task, work, app, timeout)
    if (previous?.settled === false) Task.abort(previous, new AbortError(`Cancelled ${taskLabel(previous)}: another task took its name`))
    if (signal !== undefined) this.#abortWith(signal, task)
    const response = after === undefined || isOver(after.raw) ? undefined : after.raw
    if (response !== undefined || !this.#ready) this.#defer(task, work, app, timeout, response)
    else Task.start(task, work, app, timeout)
  }

  /** Logs the rejection of a promise that `addTask` did not take, since nobody else may see it. A lazy thenable must not begin. */
  #reportRejection (work: unknown) {
    if (isLazy(work)) return
    const what = 'a promise that addTask did not take has rejected'
    new Promise(resolve => resolve(work)).catch(error => {
      if (!logError(this.#app, error, what)) warnOfLostError('FST_TASK_LOST_ERROR', what, error)
    })
  }

  /** Ends all tasks. Names those that do not end in time in one warning. */
  async #stop () {
    this.#closed = true
    if (this.#lists.unsettled().some(task => task.status === 'deferred')) await waitForCutResponses()
    const reason = new AbortError('Cancelled: the app is closing')
    const unsettled = this.#lists.unsettled()
    for (const task of unsettled) {
      if (task.status === 'deferred' || !this.#draining.has(task)) Task.abort(task, reason)
    }
    await this.#drainRunning()
    for (const task of this.#lists.unsettled()) Task.abort(task, reason)
    const isIdle = await within(idle => this.#onceIdle(idle), this.cancelTimeout)
    const cancelled = unsettled.filter(task => task.name !== undefined && task.status === 'cancelled' && task.error === reason)
    if (cancelled.length > 0) this.#logTasks('info', cancelled, 'tasks were cancelled, because the app is closing')
    if (isIdle) return
    const left = [...this.#lists.unsettled(), ...Array.from(this.#calls, call => call.task)]
    this.#logTasks('warn', left, `tasks have not stopped ${this.cancelTimeout} ms after their cancellation; closing without them. ${WAITS_FOR_ITSELF}`)
  }

  /** Waits for the draining tasks that run. Names those that do not finish in time in a warning. */
  async #drainRunning () {
    const running = () => [...this.#draining].filter(task => this.#drains(task))
    const drained = Promise.all(running().map(task => new Promise<void>(resolve => Task.onceSettled(task, resolve))))
    const { drainTimeout } = this.#settings
    const timeLeft = this.#drainEndsAt === undefined ? drainTimeout : Math.max(0, this.#drainEndsAt - now())
    if (await settlesWithin(drained, timeLeft)) return
    this.#logTasks('warn', running(), `draining tasks have not finished within ${drainTimeout} ms; cancelling them`)
  }

  #drains (task: Task): boolean {
    return this.#draining.has(task) && task.status === 'running'
  }

  #endWatches () {
    for (const watch of this.#watches.keys()) watch.end()
  }

  #logTasks (level: 'info' | 'warn', tasks: Task[], message: string) {
    try {
      this.#app.log[level]({ tasks: tasks.map(task => task.name ?? task.id) }, message)
    } catch {} // If the logger throws, only the line is lost.
  }

  /** Starts a task when its response is over or the app is ready, in the async context of this call. */
  #defer (task: Task, work: TaskWork<unknown>, app: FastifyInstance, timeout?: number, response?: TaskReply['raw']) {
    if (task.status !== 'deferred') return
    const start = AsyncResource.bind(() => Task.start(task, work, app, timeout, now()))
    if (response === undefined) {
      this.#deferred.add(start)
      Task.onceSettled(task, () => this.#deferred.delete(start))
      return
    }
    let leave: (() => void) | undefined = onceOver(response, () => {
      leave = undefined // The task must not keep the response while it runs.
      start()
    })
    Task.onceSettled(task, () => leave?.())
  }

  #addDraining (task: Task) {
    this.#draining.add(task)
    Task.onceSettled(task, () => this.#draining.delete(task))
  }

  #countForKey (task: Task, key: string) {
    this.#keyLimits.add(key)
    Task.onceSettled(task, () => this.#keyLimits.remove(key))
  }

  /** Cancels the task when the signal is aborted. */
  #abortWith (signal: AbortSignal, task: Task) {
    const abort = () => {
      const { reason = new AbortError(`Cancelled ${taskLabel(task)}: its signal was aborted`) } = signal
      Task.abort(task, reason)
    }
    if (signal.aborted) abort()
    else Task.onceSettled(task, onceAborted(signal, abort))
  }

  /** Logs how a task has ended, and calls `onError` for a failed one. */
  readonly #report = (task: Task) => {
    if (task.status === 'failed') this.#reportFailure(task)
    else Task.debug(task, task.status === 'completed' ? 'task completed' : 'task cancelled')
    this.#unreported--
    this.#notifyIdle()
  }

  #reportFailure (task: Task) {
    const logged = logError(task, task.error, 'task failed')
    const { onError } = this.#settings
    if (onError !== undefined) this.#callOnError(task, onError)
    else if (!logged) this.#warnOfFailure(task)
  }

  /** Does nothing if `finished` is read in this turn of the event loop: then somebody may see the error. */
  #warnOfFailure (task: Task) {
    setImmediate(() => {
      if (!Task.isFinishedRead(task)) warnOfLostError('FST_TASK_FAILED', `Unreported failure of ${taskLabel(task)}`, task.error)
    })
  }

  #callOnError (task: Task, onError: NonNullable<PluginSettings['onError']>) {
    this.#call(task, 'onError of a failed task threw', () => onError(task.error, task))
  }

  /** Calls it in the next microtask, since the code that drops the task has not finished. */
  #callOnPurged (task: Task, onPurged: NonNullable<PluginSettings['onPurged']>) {
    this.#call(task, 'onPurged of a task threw', async () => {
      await undefined
      await onPurged(task)
    })
  }

  /** Calls a function of the user. Logs what it throws. */
  async #call (task: Task, threw: string, callback: () => void | PromiseLike<void>) {
    const call = { task }
    this.#calls.add(call)
    try {
      await callback()
    } catch (error) {
      if (!logError(task, error, threw)) warnOfLostError('FST_TASK_LOST_ERROR', `${taskLabel(task)}: ${threw}`, error)
    }
    this.#calls.delete(call)
    this.#notifyIdle()
  }
}
