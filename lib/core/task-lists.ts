import type { TaskStatus } from '../../types/index.ts'
import { LinkedList, ListItem } from './linked-list.ts'
import { checkAnswer } from './options.ts'
import { SettledHistory, type SettledMinute } from './settled-history.ts'
import { SettledTasks } from './settled-tasks.ts'
import { StatusCounts } from './status-counts.ts'
import type { Task } from './task.ts'
import { TaskNames } from './task-names.ts'

/** Which tasks there are: live or settled, in `tasks` or not, by name, and how many of each status. */
export class TaskLists {
  readonly #onForgotten: ((task: Task) => void) | undefined
  readonly #names = new TaskNames()
  // A task is in one of these lists, or forgotten.
  /** Unsettled and in `tasks`. */
  readonly #live = new LinkedList<Task>()
  /** Unsettled and not in `tasks`: added with `register: false`, replaced, or disposed. */
  readonly #unlisted = new LinkedList<Task>()
  /** Unsettled runs of cluster tasks. */
  readonly #runs = new LinkedList<Task>()
  /** Settled, named and in `tasks`. */
  readonly #settled: SettledTasks
  readonly #counts = new StatusCounts()
  readonly #history = new SettledHistory()

  /** `onForgotten` is called for every task once it has settled and is not in `tasks`, except for runs of cluster tasks. */
  constructor (settings: { maxSettled: number, maxSettledAge: number }, onForgotten?: (task: Task) => void) {
    this.#settled = new SettledTasks(settings)
    this.#onForgotten = onForgotten
  }

  /** How many are in `tasks`. */
  get size (): number {
    this.#expire()
    return this.#live.size + this.#settled.size
  }

  /** How many of each status are in `tasks`. */
  get counts (): Readonly<Record<TaskStatus, number>> {
    this.#expire()
    return this.#counts
  }

  /** How many tasks settled while they were in `tasks`, for each of the last 60 minutes. */
  get history (): SettledMinute[] {
    return this.#history.toArray()
  }

  /** How many count for `maxTasks`: all that have not settled, but not the runs of cluster tasks. */
  get limitedSize (): number {
    return this.#live.size + this.#unlisted.size
  }

  /** How many have not settled, in `tasks` or not. */
  get unsettledSize (): number {
    return this.#live.size + this.#unlisted.size + this.#runs.size
  }

  /** Those in `tasks`, the settled ones first. */
  toArray (): Task[] {
    this.#expire()
    return this.#settled.toArray().concat(this.#live.toArray())
  }

  /** Those that have not settled, in `tasks` or not. */
  unsettled (): Task[] {
    return this.#live.toArray().concat(this.#unlisted.toArray(), this.#runs.toArray())
  }

  /** Returns true if a task is in `tasks`. */
  has (task: Task): boolean {
    this.#expire()
    return this.#isListed(task)
  }

  find (name: string): Task | undefined {
    this.#expire()
    return this.#names.get(name)
  }

  /**
   * Adds a task to `tasks`, under its name if it has one. `previous`, the task that had the name, leaves `tasks`. Once settled, the
   * task is kept for `maxSettledAge` ms.
   */
  addListed (task: Task, previous: Task | undefined, maxSettledAge: number | undefined): void {
    ListItem.join(task, this.#live)
    if (maxSettledAge !== undefined) this.#settled.setAge(task, maxSettledAge)
    this.#counts.add(task.status, 1)
    if (task.name !== undefined) this.#names.set(task.name, task)
    if (previous !== undefined) this.unlist(previous)
  }

  /** Adds a task that is not in `tasks`. */
  addUnlisted (task: Task): void {
    ListItem.join(task, this.#unlisted)
  }

  /** Adds a run of a cluster task. */
  addRun (task: Task): void {
    ListItem.join(task, this.#runs)
  }

  /** Takes a task out of `tasks`. It stays among the unsettled ones until it has settled. */
  unlist (task: Task): void {
    if (!this.#isListed(task)) return
    this.#counts.add(task.status, -1)
    this.#freeName(task)
    if (task.settled) this.#forgetSettled(task)
    else ListItem.join(task, this.#unlisted)
  }

  /** Forgets a task that is not in `tasks`, though it may not have settled. */
  forget (task: Task): void {
    ListItem.leave(task)
  }

  statusChanged (task: Task, previous: TaskStatus): void {
    if (!ListItem.isIn(task, this.#live)) return
    this.#counts.add(previous, -1)
    this.#counts.add(task.status, 1)
  }

  /** A task has settled. It is kept if it is named and in `tasks`. */
  settled (task: Task, previous: TaskStatus, settledAt: number): void {
    this.statusChanged(task, previous)
    const isListed = ListItem.isIn(task, this.#live)
    if (isListed) this.#history.add(task.status, settledAt)
    if (isListed && task.name !== undefined) {
      this.#settled.add(task)
    } else {
      if (isListed) this.#counts.add(task.status, -1)
      if (isListed || ListItem.isIn(task, this.#unlisted)) this.#onForgotten?.(task)
      ListItem.leave(task)
    }
    this.#expire()
    for (let task; (task = this.#settled.surplus()) !== undefined;) this.#drop(task)
  }

  /** Drops the settled tasks, or those for which `which` is true. Returns how many. */
  purge (which?: (task: Task) => boolean): number {
    this.#expire()
    const { size } = this.#settled
    if (which === undefined) {
      for (let task; (task = this.#settled.first) !== undefined;) this.#drop(task)
      return size
    }
    // `which` may add and drop tasks, so all are asked before any is dropped.
    const chosen = this.#settled.toArray().filter(task => checkAnswer(which(task), 'purgeTasks'))
    return chosen.filter(task => this.#drop(task)).length
  }

  /** Drops the settled tasks that have expired. */
  #expire () {
    for (let task; (task = this.#settled.expired()) !== undefined;) this.#drop(task)
  }

  /** Drops a settled task. Returns true if it was there. */
  #drop (task: Task): boolean {
    if (!this.#settled.has(task)) return false
    this.#names.delete(task.name!)
    this.#counts.add(task.status, -1)
    this.#forgetSettled(task)
    return true
  }

  #forgetSettled (task: Task) {
    this.#settled.remove(task)
    this.#onForgotten?.(task)
  }

  #isListed (task: Task): boolean {
    return ListItem.isIn(task, this.#live) || this.#settled.has(task)
  }

  /** A task that has been replaced has lost its name to the new one. */
  #freeName (task: Task) {
    if (task.name !== undefined && this.#names.get(task.name) === task) this.#names.delete(task.name)
  }
}
