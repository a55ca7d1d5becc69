import { AsyncResource } from 'node:async_hooks'
import type { FastifyInstance } from 'fastify'
import type { CancelTaskOptions, GetTaskOptions, TaskOptions, TaskReply, Tasks, TaskStatus, TaskWork } from '../../types/index.ts'
import { AbortError, onceAborted } from './abort.ts'
import { now } from './clock.ts'
import {
  FST_ERR_TASK_CLOSED,
  FST_ERR_TASK_DUPLICATE_NAME,
  FST_ERR_TASK_LIMIT,
  FST_ERR_TASK_NOT_FOUND
} from './errors.ts'
import { warnOfLostError } from './lost-error.ts'
import { checkCancelTaskOptions, checkGetOptions, checkPurge, checkTaskOptions, checkWork, MAX_DELAY, type PluginSettings } from './options.ts'
import { cutResponsesOver, isOver, onceOver } from './response.ts'
import { Task, type TaskOwner } from './task.ts'
import { taskLabel } from './task-label.ts'
import { TaskLists } from './task-lists.ts'
import { isThenable } from './thenable.ts'
import { traceSettled } from './tracing.ts'
import type { Watch } from './watch.ts'
import { settlesWithin, within } from './within.ts'

/** The tasks of an app: adds, finds and purges them, starts them when it is ready and ends them when it closes. */
export class TaskRegistry implements Tasks, TaskOwner {
  readonly #app: FastifyInstance
  readonly #settings: PluginSettings
  readonly #lists: TaskLists
  readonly #draining = new Set<Task>()
  /** Those whose `onError` has not ended. */
  readonly #reporting = new Set<Task>()
  readonly #watches = new Set<Watch<unknown>>()
  /** Starts what waits for the app to be ready. */
  readonly #deferred: (() => void)[] = []
  #ready = false
  #lastId = 0
  #closing = false
  #closed = false
  #idle: Promise<void> | undefined = undefined
  readonly #whenIdle = new Set<() => void>()

  constructor (app: FastifyInstance, settings: PluginSettings) {
    this.#app = app
    this.#settings = settings
    this.#lists = new TaskLists(settings)
  }

  get cancelTimeout () { return this.#settings.cancelTimeout }

  get size () { return this.#lists.size }

  /** How many tasks of each status are in `tasks`. */
  get counts () { return this.#lists.counts }

  /** The tasks, those that have settled first. Unlike an iteration it sorts nothing. */
  walk (): Task[] {
    return this.#lists.toArray()
  }

  [Symbol.iterator] () {
    return this.walk().sort((a, b) => a.id - b.id).values()
  }

  toJSON () {
    return Array.from(this, task => task.toJSON())
  }

  add<T> (app: FastifyInstance, work: TaskWork<T>, options: TaskOptions = {}): Task<T> {
    let holder
    try {
      holder = this.#admit(work, options)
    } catch (error) {
      this.#disown(work)
      throw error
    }
    if (holder?.settled === false && options.onDuplicate === 'keep') {
      this.#disown(work)
      return holder as Task<T>
    }

    const { name, register, signal, after, timeout, drain } = options
    const addedAt = now()
    const log = options.log ?? after?.log ?? app.log
    const task: Task<T> = new Task(++this.#lastId, name, kindOf(work, options), options.data, addedAt, log, this)
    if (drain === true) this.#drain(task)
    if (register === false) this.#lists.unlist(task)
    else this.#lists.list(task, holder)

    if (typeof work !== 'function') task.start(work, app, addedAt, timeout)
    if (holder?.settled === false) holder.abort(new AbortError(`Cancelled ${taskLabel(holder)}: another task took its name`))
    if (signal !== undefined) this.#follow(task, signal)
    const response = after === undefined || isOver(after.raw) ? undefined : after.raw
    if (response !== undefined || !this.#ready) this.#defer(task, work, app, timeout, response)
    else task.start(work, app, addedAt, timeout)
    return task
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
    // One promise for all: whoever stops waiting leaves nothing behind.
    return (this.#idle ??= new Promise(resolve => this.#onceIdle(() => {
      this.#idle = undefined
      resolve()
    })))
  }

  /** Starts what was deferred; from now on callables start as they are added. */
  start () {
    this.#ready = true
    for (const start of this.#deferred.splice(0)) start()
  }

  /** The app begins to close: an open stream of states must not hold up what comes before `close`. */
  beginClose () {
    this.#closing = true
    for (const watch of this.#watches) watch.end()
  }

  async close () {
    const hold = setInterval(() => {}, MAX_DELAY) // the process, for the onClose hooks that come after ours
    try {
      await this.#stop()
    } finally {
      clearInterval(hold)
    }
  }

  changed (task: Task, from: TaskStatus) {
    this.#lists.changed(task, from)
  }

  settled (task: Task) {
    this.#lists.settled(task)
    traceSettled(task, this.#report)
    this.#tellIdle()
  }

  watched (watch: Watch<unknown>) {
    if (this.#closing) watch.end()
    else this.#watches.add(watch)
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

  #isIdle () { return this.#lists.unsettledSize === 0 && this.#reporting.size === 0 }

  /** Calls back when nothing is unsettled and every error is reported. Answers how to take that back. */
  #onceIdle (callback: () => void): () => void {
    if (this.#isIdle()) callback()
    else this.#whenIdle.add(callback)
    return () => { this.#whenIdle.delete(callback) }
  }

  #tellIdle () {
    if (this.#whenIdle.size === 0 || !this.#isIdle()) return
    const callbacks = [...this.#whenIdle]
    this.#whenIdle.clear()
    for (const callback of callbacks) callback()
  }

  /** Refuses what cannot be added. Answers the task that holds the name, if any. */
  #admit (work: unknown, options: TaskOptions): Task | undefined {
    checkTaskOptions(options)
    checkWork(work, options)
    if (this.#closed) throw new FST_ERR_TASK_CLOSED(taskLabel(options))
    const { name, register, onDuplicate } = options
    const holder = name === undefined || register === false ? undefined : this.#lists.find(name)
    if (holder?.settled === false) {
      if (onDuplicate === 'keep') return holder
      if (onDuplicate !== 'replace') throw new FST_ERR_TASK_DUPLICATE_NAME(name!)
    }
    if (this.#lists.unsettledSize >= this.#settings.maxTasks) {
      throw new FST_ERR_TASK_LIMIT(taskLabel(options), this.#settings.maxTasks)
    }
    return holder
  }

  /** A promise runs whether we take it or not: nobody else may be looking at how it ends. */
  #disown (work: unknown) {
    if (typeof work === 'function' || !isThenable(work)) return
    new Promise(resolve => resolve(work)).catch(err => {
      this.#app.log.error({ err }, 'a promise that was not taken as a task rejected')
    }).catch(() => {}) // what the logger throws
  }

  /** Ends all tasks, or names those that do not end in one warning. */
  async #stop () {
    this.#closed = true
    if (this.#lists.unsettled().some(task => task.status === 'deferred')) await cutResponsesOver()
    const reason = new AbortError('Cancelled: the app is closing')
    for (const task of this.#lists.unsettled()) {
      if (task.status === 'deferred' || !this.#draining.has(task)) task.abort(reason)
    }
    await this.#drainRunning()
    for (const task of this.#lists.unsettled()) task.abort(reason)
    if (await within(idle => this.#onceIdle(idle), this.cancelTimeout)) return
    const left = [...this.#lists.unsettled(), ...this.#reporting]
    this.#warn(left, `tasks have not stopped ${this.cancelTimeout} ms after their cancellation; closing without them`)
  }

  /** Lets those finish that are to, or names those that do not in a warning. */
  async #drainRunning () {
    const running = () => [...this.#draining].filter(task => task.status === 'running')
    const drained = Promise.all(running().map(task => new Promise<void>(resolve => task.onceSettled(resolve))))
    const { drainTimeout } = this.#settings
    if (await settlesWithin(drained, drainTimeout)) return
    this.#warn(running(), `draining tasks have not finished within ${drainTimeout} ms; cancelling them`)
  }

  #warn (tasks: Task[], message: string) {
    try {
      this.#app.log.warn({ tasks: tasks.map(task => task.name ?? task.id) }, message)
    } catch {} // a logger that throws loses the line, not the close
  }

  /** Starts a task later, in the async context of now: when its response is over, or when the app is ready. */
  #defer<T> (task: Task<T>, work: TaskWork<T>, app: FastifyInstance, timeout?: number, response?: TaskReply['raw']) {
    if (task.status !== 'deferred') return
    const start = AsyncResource.bind(() => task.start(work, app, now(), timeout))
    if (response === undefined) {
      this.#deferred.push(start)
      return
    }
    let leave: (() => void) | undefined = onceOver(response, () => {
      leave = undefined // and with it the response, while the task runs
      start()
    })
    task.onceSettled(() => leave?.())
  }

  #drain (task: Task) {
    this.#draining.add(task)
    task.onceSettled(() => this.#draining.delete(task))
  }

  #follow (task: Task, signal: AbortSignal) {
    const abort = () => {
      const { reason = new AbortError(`Cancelled ${taskLabel(task)}: its signal was aborted`) } = signal
      task.abort(reason)
    }
    if (signal.aborted) abort()
    else task.onceSettled(onceAborted(signal, abort))
  }

  /** Tells how a task has ended. */
  readonly #report = (task: Task) => {
    if (task.status !== 'failed') {
      task.debug(task.status === 'completed' ? 'task completed' : 'task cancelled')
      return
    }
    const logged = task.logError(task.error, 'task failed')
    const { onError } = this.#settings
    if (onError !== undefined) this.#callOnError(task, onError)
    else if (!logged) warnOfLostError(task)
  }

  async #callOnError (task: Task, onError: NonNullable<PluginSettings['onError']>) {
    this.#reporting.add(task)
    try {
      await onError(task.error, task)
    } catch (error) {
      task.logError(error, 'onError of a failed task threw')
    }
    this.#reporting.delete(task)
    this.#tellIdle()
  }
}

/** What kind of work it is. A function's name can be anything, even unreadable. */
function kindOf (work: TaskWork<unknown>, { kind }: TaskOptions): string | undefined {
  if (kind !== undefined || typeof work !== 'function') return kind
  try {
    const { name } = work as { name?: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}
