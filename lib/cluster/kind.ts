import { randomInt, randomUUID } from 'node:crypto'
import type { AddClusterTaskOptions, Kind as PublicKind, ListOptions, NewClusterTask, Schedule, TaskCounts, When } from '../../types/cluster.ts'
import type { CancelTaskOptions, GetTaskOptions, TaskStatus } from '../../types/index.ts'
import { AbortError } from '../core/abort.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_CLOSED, FST_ERR_TASK_DUPLICATE_NAME, FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import { taskLabel } from '../core/task-label.ts'
import { taskStatuses } from '../core/task-state.ts'
import { cancelReason, ClusterTask, type TaskPlace } from './cluster-task.ts'
import type { NewTask, StoredTask } from './engine.ts'
import { whenChanged } from './follow.ts'
import { checkAdd, checkAddMany, checkCancelTask, checkGet, checkList, checkSchedule, checkUnschedule } from './options.ts'
import { toStoredReason } from './stored-error.ts'

/** What a kind needs of the app. */
export interface KindPlace extends TaskPlace {
  readonly closed: boolean
  /** The data as it is stored: JSON, and what the kind's schema takes. Throws `FST_ERR_TASK_INVALID_DATA`. */
  accept (data: unknown, label: string): unknown
}

/** The greatest that `crypto.randomInt` takes. */
const MAX_ID = 2 ** 48 - 1

/** The verbs of one kind of task, whatever the engine. */
export class Kind implements PublicKind<any, any, any> {
  readonly #place: KindPlace

  constructor (place: KindPlace) {
    this.#place = place
  }

  get name () { return this.#place.kind }

  async addTask (data?: unknown, options: AddClusterTaskOptions = {}): Promise<ClusterTask> {
    checkAdd(options)
    const task = this.#newTask(data, options)
    const { onDuplicate = 'reject' } = options
    const until = Date.now() + this.#place.cancelTimeout
    for (;;) {
      const queue = await this.#place.queue()
      const [{ task: stored, added }] = await queue.add([task]) as [{ task: StoredTask, added: boolean }]
      const holder = new ClusterTask(this.#place, stored)
      if (added || onDuplicate === 'keep') return holder
      if (onDuplicate === 'reject') throw new FST_ERR_TASK_DUPLICATE_NAME(task.name)
      const left = until - Date.now()
      if (left <= 0) throw new FST_ERR_TASK_CANCEL_TIMEOUT(taskLabel(task), this.#place.cancelTimeout)
      await holder.cancel({ reason: `Cancelled ${taskLabel(task)}: another task takes its name`, timeout: left })
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
    checkGet(name, options)
    return await this.#find(name, options)
  }

  cancelTask (name: string, options: CancelTaskOptions = {}): Promise<void> {
    const cancelled = this.#cancel(name, options)
    cancelled.catch(() => {})
    return cancelled
  }

  async purgeTasks (): Promise<number> {
    const queue = await this.#place.queue()
    return await queue.purge()
  }

  async tasks (options: ListOptions = {}): Promise<ClusterTask[]> {
    checkList(options)
    const { status = taskStatuses, offset = 0, limit = 100 } = options
    const statuses = new Set(typeof status === 'string' ? [status] : status as readonly TaskStatus[])
    const queue = await this.#place.queue()
    const stored = await queue.list(statuses, offset, limit)
    return stored.map(task => new ClusterTask(this.#place, task))
  }

  async count (): Promise<TaskCounts> {
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
    checkUnschedule(name, options)
    const queue = await this.#place.queue()
    if (!await queue.unschedule(name) && options.optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
  }

  async schedules (): Promise<Schedule<any>[]> {
    const queue = await this.#place.queue()
    const stored = await queue.schedules()
    return stored.map(({ name, when, data, nextAt }) => ({ name, ...when as { every: number }, nextAt, data }))
  }

  async pause (): Promise<void> {
    const queue = await this.#place.queue()
    await queue.pause()
  }

  async resume (): Promise<void> {
    const queue = await this.#place.queue()
    await queue.resume()
  }

  async isPaused (): Promise<boolean> {
    const queue = await this.#place.queue()
    return await queue.isPaused()
  }

  async idle (): Promise<void> {
    const queue = await this.#place.queue()
    if (await queue.isIdle()) return
    await new Promise<void>((resolve, reject) => {
      const leave = whenChanged(queue, undefined, async () => {
        if (await queue.isIdle()) end(resolve)
      })
      const stop = this.#place.onceStopped(async () => end(() => reject(new AbortError(`Stopped waiting for kind "${this.name}": the app is closing`))))
      const end = (settle: () => void) => {
        leave()
        stop()
        settle()
      }
    })
  }

  #newTask (data: unknown, { name, delay = 0, priority = 0 }: AddClusterTaskOptions): NewTask {
    const label = taskLabel({ name })
    if (this.#place.closed) throw new FST_ERR_TASK_CLOSED(label)
    return { name: name ?? randomUUID(), unique: name === undefined, id: randomInt(1, MAX_ID), data: this.#place.accept(data, label), delay, priority }
  }

  async #find (name: string, options: GetTaskOptions): Promise<ClusterTask | undefined> {
    const queue = await this.#place.queue()
    const stored = await queue.get(name)
    if (stored !== undefined) return new ClusterTask(this.#place, stored)
    if (options.optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
    return undefined
  }

  async #cancel (name: string, options: CancelTaskOptions) {
    checkCancelTask(name, options)
    const { optional, reason = cancelReason(name), ...cancelOptions } = options
    const queue = await this.#place.queue()
    const stored = await queue.cancel(name, undefined, toStoredReason(reason))
    if (stored !== undefined) await new ClusterTask(this.#place, stored).unwinds({ ...cancelOptions, reason })
    else if (optional !== true) throw new FST_ERR_TASK_NOT_FOUND(name)
  }
}
