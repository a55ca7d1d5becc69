import { randomInt, randomUUID } from 'node:crypto'
import type {
  AddClusterTaskOptions,
  CancelTasksOptions,
  Kind as PublicKind,
  KindWorker,
  ListOptions,
  NewClusterTask,
  PurgeTasksOptions,
  RetryTasksOptions,
  Schedule,
  SettledCounts,
  TaskCounts,
  When
} from '../../types/cluster.ts'
import type { CancelTaskOptions, GetTaskOptions, TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_CLOSED, FST_ERR_TASK_DUPLICATE_NAME, FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import { checkCancelTaskOptions, checkGetOptions } from '../core/options.ts'
import { taskLabel } from '../core/task-label.ts'
import { taskStatuses } from '../core/task-state.ts'
import { chosenBy, inBatches, setOf } from './batches.ts'
import { cancelMany } from './cancel-many.ts'
import { cancelReason, ClusterTask, waitFor, type TaskPlace } from './cluster-task.ts'
import type { NewTask, StoredTask } from './engine.ts'
import { checkAddMany, checkNone, checkSchedule, checkSoughtName, checkVerb } from './options.ts'
import { toStoredReason } from './stored-error.ts'

/** What a kind needs of the app. */
export interface KindPlace extends TaskPlace {
  /** The data as it is stored: JSON that the kind's schema takes. Throws `FST_ERR_TASK_INVALID_DATA`. */
  accept (data: unknown, label: string): unknown
}

const settledStatuses = ['completed', 'failed', 'cancelled'] as const

/** The greatest number that `crypto.randomInt` takes. */
const MAX_ID = 2 ** 48 - 1

/** The verbs of one kind of task, whatever the engine. */
export class Kind implements PublicKind<any, any, any> {
  readonly #place: KindPlace

  constructor (place: KindPlace) {
    this.#place = place
    bindVerbs(this)
  }

  get name () { return this.#place.kind }

  async addTask (data?: unknown, options: AddClusterTaskOptions = {}): Promise<ClusterTask> {
    checkVerb('addTask', options, () => taskLabel(options ?? {}))
    const task = this.#newTask(data, options)
    const { onDuplicate = 'reject' } = options
    let until: number | undefined // counts from the first cancellation: until then the server may have been slow
    for (;;) {
      const queue = await this.#place.queue()
      const [{ task: stored, added }] = await queue.add([task]) as [{ task: StoredTask, added: boolean }]
      const present = new ClusterTask(this.#place, stored)
      if (added || onDuplicate === 'keep') return present
      if (onDuplicate === 'reject') throw new FST_ERR_TASK_DUPLICATE_NAME(task.name)
      until ??= Date.now() + this.#place.cancelTimeout
      await present.cancel({ reason: `Cancelled ${taskLabel(task)}: another task takes its name`, timeout: Math.max(0, until - Date.now()) })
    }
  }

  async addTasks (tasks: readonly NewClusterTask[]): Promise<ClusterTask[]> {
    checkAddMany(tasks)
    const all = tasks.map(({ data, ...options }) => this.#newTask(data, options))
    const queue = await this.#place.queue()
    const added = await queue.add(all)
    const taken = added.filter(({ added }) => !added).map(({ task }) => task.name)
    if (taken.length > 0) throw new FST_ERR_TASK_DUPLICATE_NAME(taken.join('", "'))
    return added.map(({ task }) => new ClusterTask(this.#place, task))
  }

  getTask (name: string, options?: { optional?: false | undefined }): Promise<ClusterTask>
  getTask (name: string, options: GetTaskOptions): Promise<ClusterTask | undefined>
  async getTask (name: string, options: GetTaskOptions = {}): Promise<ClusterTask | undefined> {
    checkSoughtName(name, 'getTask')
    checkGetOptions(options, name)
    const queue = await this.#place.queue()
    return this.#toTask(await queue.get(name), name, options)
  }

  cancelTask (name: string, options: CancelTaskOptions = {}): Promise<void> {
    const cancelled = this.#cancel(name, options)
    cancelled.catch(() => {})
    return cancelled
  }

  async cancelTasks (options: CancelTasksOptions = {}): Promise<number> {
    checkVerb('cancelTasks', options)
    return await cancelMany(this.#place, options)
  }

  retryTask (name: string, options?: { optional?: false | undefined }): Promise<ClusterTask>
  retryTask (name: string, options: GetTaskOptions): Promise<ClusterTask | undefined>
  async retryTask (name: string, options: GetTaskOptions = {}): Promise<ClusterTask | undefined> {
    checkSoughtName(name, 'retryTask')
    checkGetOptions(options, name)
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(taskLabel({ name }))
    const queue = await this.#place.queue()
    const found = await queue.retry(name)
    if (found?.retried === false) throw new FST_ERR_TASK_DUPLICATE_NAME(name)
    return this.#toTask(found?.task, name, options)
  }

  async retryTasks (options: RetryTasksOptions = {}): Promise<number> {
    checkVerb('retryTasks', options)
    const { status = 'failed', limit = 1000, which } = options
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(`tasks of kind "${this.name}"`)
    const queue = await this.#place.queue()
    const choice = { statuses: setOf<TaskStatus>(status), isChosen: chosenBy(this.#place, which, 'retryTasks') }
    return await inBatches(queue, choice, limit, async ({ name, id }) => (await queue.retry(name, id))?.retried === true ? 'done' : 'left')
  }

  async purgeTasks (which: PurgeTasksOptions | NonNullable<PurgeTasksOptions['which']> = {}): Promise<number> {
    const options: PurgeTasksOptions = typeof which === 'function' ? { which } : which
    checkVerb('purgeTasks', options)
    const queue = await this.#place.queue()
    const { status = settledStatuses, olderThan, name } = options
    const statuses = setOf<TaskStatus>(status)
    const isWanted = chosenBy(this.#place, options.which, 'purgeTasks')
    if (olderThan === undefined && name === undefined && isWanted === undefined && statuses.size === settledStatuses.length) return await queue.purge()
    // Without an age the clock is not read: the clock of the process in which a task settled may be ahead of this one.
    const isOld = ({ settledAt }: StoredTask) => olderThan === undefined || settledAt! <= Date.now() - olderThan
    const isChosen = (task: StoredTask) => isOld(task) && (isWanted === undefined || isWanted(task))
    if (name === undefined) return await inBatches(queue, { statuses, isChosen }, Infinity, async ({ name, id }) => await queue.drop(name, id) ? 'done' : 'left')
    const task = await queue.get(name)
    return task !== undefined && statuses.has(task.status) && isChosen(task) && await queue.drop(name, task.id) ? 1 : 0
  }

  promoteTask (name: string, options?: { optional?: false | undefined }): Promise<ClusterTask>
  promoteTask (name: string, options: GetTaskOptions): Promise<ClusterTask | undefined>
  async promoteTask (name: string, options: GetTaskOptions = {}): Promise<ClusterTask | undefined> {
    checkSoughtName(name, 'promoteTask')
    checkGetOptions(options, name)
    const queue = await this.#place.queue()
    return this.#toTask(await queue.promote(name), name, options)
  }

  async tasks (options: ListOptions = {}): Promise<ClusterTask[]> {
    checkVerb('tasks', options)
    const { status = taskStatuses, offset = 0, limit = 100, name } = options
    const queue = await this.#place.queue()
    const stored = await queue.list(setOf<TaskStatus>(status), offset, limit, name === '' ? undefined : name)
    return stored.map(task => new ClusterTask(this.#place, task))
  }

  async history (...rest: []): Promise<SettledCounts[]> {
    checkNone('history', rest)
    const queue = await this.#place.queue()
    return await queue.history()
  }

  async latency (...rest: []): Promise<number> {
    checkNone('latency', rest)
    const queue = await this.#place.queue()
    return await queue.latency()
  }

  async workers (...rest: []): Promise<KindWorker[]> {
    checkNone('workers', rest)
    const queue = await this.#place.queue()
    return await queue.workers()
  }

  async count (...rest: []): Promise<TaskCounts> {
    checkNone('count', rest)
    const queue = await this.#place.queue()
    return await queue.count()
  }

  async scheduleTask (name: string, when: When, data?: unknown, options: { priority?: number | undefined } = {}): Promise<void> {
    const checked = checkSchedule(name, when, options)
    const label = `schedule "${name}"`
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(label)
    const accepted = this.#place.accept(data, label)
    const queue = await this.#place.queue()
    await queue.schedule(name, checked, accepted, options.priority ?? 0)
  }

  async unscheduleTask (name: string, options: GetTaskOptions = {}): Promise<void> {
    checkSoughtName(name, 'unscheduleTask')
    checkGetOptions(options, name)
    const queue = await this.#place.queue()
    if (!await queue.unschedule(name) && options.optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
  }

  async schedules (...rest: []): Promise<Schedule<any>[]> {
    checkNone('schedules', rest)
    const queue = await this.#place.queue()
    const stored = await queue.schedules()
    return stored.map(({ name, when, data, nextAt }) => ({ name, ...when as { every: number }, nextAt, data }))
  }

  async pause (...rest: []): Promise<void> {
    checkNone('pause', rest)
    const queue = await this.#place.queue()
    await queue.pause()
  }

  async resume (...rest: []): Promise<void> {
    checkNone('resume', rest)
    const queue = await this.#place.queue()
    await queue.resume()
  }

  async isPaused (...rest: []): Promise<boolean> {
    checkNone('isPaused', rest)
    const queue = await this.#place.queue()
    return await queue.isPaused()
  }

  async idle (...rest: []): Promise<void> {
    checkNone('idle', rest)
    const queue = await this.#place.queue()
    if (await queue.isIdle()) return
    await waitFor(this.#place, queue, undefined, `kind "${this.name}"`, () => queue.isIdle())
  }

  #newTask (data: unknown, { name, delay = 0, priority = 0, limit }: AddClusterTaskOptions): NewTask {
    const label = taskLabel({ name })
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(label)
    return { name: name ?? randomUUID(), unique: name === undefined, id: randomInt(1, MAX_ID), data: this.#place.accept(data, label), delay: Math.ceil(delay), priority, limit }
  }

  /** The task that was found by its name. Throws `FST_ERR_TASK_NOT_FOUND` if there is none, unless `optional`. */
  #toTask (stored: StoredTask | undefined, name: string, { optional }: GetTaskOptions): ClusterTask | undefined {
    if (stored !== undefined) return new ClusterTask(this.#place, stored)
    if (optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
    return undefined
  }

  async #cancel (name: string, options: CancelTaskOptions) {
    checkSoughtName(name, 'cancelTask')
    checkCancelTaskOptions(options, name)
    const { optional, reason = cancelReason(name), ...cancelOptions } = options
    const queue = await this.#place.queue()
    const stored = await queue.cancel(name, undefined, toStoredReason(reason))
    if (stored !== undefined) await new ClusterTask(this.#place, stored).awaitCancellation({ ...cancelOptions, reason })
    else if (optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
  }
}

/** Binds the verbs to their kind, so that they work alone, as the core's do: `const { addTask } = kind`. They stay not enumerable. */
function bindVerbs (kind: Kind): void {
  for (const [verb, property] of Object.entries(Object.getOwnPropertyDescriptors(Kind.prototype))) {
    if (verb === 'constructor' || typeof property.value !== 'function') continue
    Object.defineProperty(kind, verb, { ...property, value: property.value.bind(kind) })
  }
}
