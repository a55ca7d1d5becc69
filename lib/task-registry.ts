import { AsyncResource } from 'node:async_hooks'
import type { FastifyInstance } from 'fastify'
import type { CancelTaskOptions, GetTaskOptions, TaskOptions, TaskReply, Tasks, TaskWork } from '../types/index.ts'
import { AbortError, onceAborted } from './abort.ts'
import { now } from './clock.ts'
import {
  FST_ERR_TASK_CLOSED,
  FST_ERR_TASK_DUPLICATE_NAME,
  FST_ERR_TASK_LIMIT,
  FST_ERR_TASK_NOT_FOUND
} from './errors.ts'
import { LinkedList } from './linked-list.ts'
import { checkCancelOptions, checkGetOptions, checkTaskOptions, checkWork, MAX_DELAY, type PluginSettings } from './options.ts'
import { cutResponsesOver, isOver, onceOver } from './response.ts'
import { Task, type TaskOwner } from './task.ts'
import { taskLabel } from './task-label.ts'
import { TaskNames } from './task-names.ts'
import { isThenable } from './thenable.ts'
import { traceSettled } from './tracing.ts'
import { within } from './within.ts'

/** The tasks of an app: adds, finds and purges them, starts them when it is ready and ends them when it closes. */
export class TaskRegistry implements Tasks, TaskOwner {
  readonly #app: FastifyInstance
  readonly #settings: PluginSettings
  readonly #names = new TaskNames()
  // A task is in one of these lists, or gone.
  /** Unsettled and in `tasks`. */
  readonly #live = new LinkedList<Task>()
  /** Unsettled and not in `tasks`: added with `register: false`, or replaced. */
  readonly #unlisted = new LinkedList<Task>()
  /** Settled, named and in `tasks`, the one that settled first at the front. */
  readonly #settled = new LinkedList<Task>()
  readonly #draining = new Set<Task>()
  /** Starts what waits for the app to be ready. */
  readonly #deferred: (() => void)[] = []
  #ready = false
  #lastId = 0
  #closed = false
  readonly #whenIdle: (() => void)[] = []

  constructor (app: FastifyInstance, settings: PluginSettings) {
    this.#app = app
    this.#settings = settings
  }

  get size () { return this.#live.size + this.#settled.size }
  get cancelTimeout () { return this.#settings.cancelTimeout }

  [Symbol.iterator] () {
    return [...this.#settled.toArray(), ...this.#live.toArray()].sort((a, b) => a.id - b.id).values()
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
    const task = new Task<T>(++this.#lastId, name, addedAt, options.log ?? after?.log ?? app.log, this)
    if (drain === true) this.#drain(task)
    if (register === false) (task as Task).join(this.#unlisted)
    else this.#list(task, holder)

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
    const task = this.#names.get(name)
    if (task === undefined && options.optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
    return task
  }

  async cancel (name: string, options: CancelTaskOptions = {}): Promise<void> {
    checkCancelOptions(options, { name })
    await this.get(name, options)?.cancel(options)
  }

  purge (): number {
    const { size } = this.#settled
    this.#shrinkSettled(0)
    return size
  }

  idle (): Promise<void> {
    if (this.#countUnsettled() === 0) return Promise.resolve()
    return new Promise(resolve => this.#whenIdle.push(resolve))
  }

  /** Starts what was deferred; from now on callables start as they are added. */
  start () {
    this.#ready = true
    for (const start of this.#deferred.splice(0)) start()
  }

  async close () {
    const hold = setInterval(() => {}, MAX_DELAY) // the process, for the onClose hooks that come after ours
    try {
      await this.#stop()
    } finally {
      clearInterval(hold)
    }
  }

  settled (task: Task) {
    if (task.name !== undefined && task.isIn(this.#live)) task.join(this.#settled)
    else task.leave()
    this.#shrinkSettled(this.#settings.maxSettled)

    if (task.status === 'failed') this.#reportFailure(task)
    else task.debug(task.status === 'completed' ? 'task completed' : 'task cancelled')
    traceSettled(task)

    if (this.#whenIdle.length === 0 || this.#countUnsettled() > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  disposed (task: Task) {
    this.#unlist(task)
  }

  #countUnsettled () { return this.#live.size + this.#unlisted.size }

  /** Refuses what cannot be added. Answers the task that holds the name, if any. */
  #admit (work: unknown, options: TaskOptions): Task | undefined {
    checkTaskOptions(options)
    checkWork(work, options)
    if (this.#closed) throw new FST_ERR_TASK_CLOSED(taskLabel(options))
    const { name, register, onDuplicate } = options
    const holder = name === undefined || register === false ? undefined : this.#names.get(name)
    if (holder?.settled === false) {
      if (onDuplicate === 'keep') return holder
      if (onDuplicate !== 'replace') throw new FST_ERR_TASK_DUPLICATE_NAME(name!)
    }
    if (this.#countUnsettled() >= this.#settings.maxTasks) {
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

  /** Lists a task, under its name if it has one; whoever held that is listed no more. */
  #list (task: Task, holder: Task | undefined) {
    task.join(this.#live)
    if (task.name !== undefined) this.#names.set(task.name, task)
    if (holder !== undefined) this.#unlist(holder)
  }

  /** Takes a task out of `tasks`. Until it has settled it stays in our care. */
  #unlist (task: Task) {
    if (task.name !== undefined && this.#names.get(task.name) === task) this.#names.delete(task.name)
    if (task.settled) task.leave()
    else task.join(this.#unlisted)
  }

  /** Ends all tasks, or names those that do not end in one warning. */
  async #stop () {
    this.#closed = true
    if (this.#unsettledTasks().some(task => task.status === 'deferred')) await cutResponsesOver()
    const reason = new AbortError('Cancelled: the app is closing')
    for (const task of this.#unsettledTasks()) {
      if (task.status === 'deferred' || !this.#draining.has(task)) task.abort(reason)
    }
    const draining = [...this.#draining].filter(task => task.status === 'running')
    const drained = draining.map(task => new Promise<void>(resolve => task.onceSettled(resolve)))
    await within(Promise.all(drained), this.#settings.drainTimeout)
    for (const task of this.#unsettledTasks()) task.abort(reason)
    if (await within(this.idle(), this.cancelTimeout)) return
    const tasks = this.#unsettledTasks().map(task => task.name ?? task.id)
    this.#app.log.warn({ tasks }, `tasks have not stopped ${this.cancelTimeout} ms after their cancellation; closing without them`)
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
    const abort = () => task.abort(signal.reason)
    if (signal.aborted) abort()
    else task.onceSettled(onceAborted(signal, abort))
  }

  #unsettledTasks () {
    return [...this.#live.toArray(), ...this.#unlisted.toArray()]
  }

  /** Purges the tasks that settled first, down to a size. */
  #shrinkSettled (size: number) {
    while (this.#settled.size > size) {
      const task = this.#settled.first!
      this.#names.delete(task.name!)
      task.leave()
    }
  }

  async #reportFailure (task: Task) {
    task.logError(task.error, 'task failed')
    try {
      await this.#settings.onError?.(task.error, task)
    } catch (error) {
      task.logError(error, 'onError of a failed task threw')
    }
  }
}
