import type { TaskStatus } from '../../types/index.ts'
import { LinkedList, ListItem } from './linked-list.ts'
import { checkAnswer } from './options.ts'
import { SettledHistory, type SettledMinute } from './settled-history.ts'
import { StatusCounts } from './status-counts.ts'
import type { Task } from './task.ts'
import { TaskNames } from './task-names.ts'

/** Which tasks there are: live or settled, in `tasks` or not, by name, and how many of each status. */
export class TaskLists {
  readonly #maxSettled: number
  readonly #maxSettledAge: number
  readonly #names = new TaskNames()
  // A task is in one of these lists, or forgotten.
  /** Unsettled and in `tasks`. */
  readonly #live = new LinkedList<Task>()
  /** Unsettled and not in `tasks`: added with `register: false`, replaced, or disposed. */
  readonly #unlisted = new LinkedList<Task>()
  /** Unsettled runs of cluster tasks. */
  readonly #runs = new LinkedList<Task>()
  /** Settled, named and in `tasks`, the one that settled first at the front. */
  readonly #settled = new LinkedList<Task>()
  readonly #counts = new StatusCounts()
  readonly #history = new SettledHistory()

  constructor ({ maxSettled, maxSettledAge }: { maxSettled: number, maxSettledAge: number }) {
    this.#maxSettled = maxSettled
    this.#maxSettledAge = maxSettledAge
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

  /** Adds a task to `tasks`, under its name if it has one. `previous`, the task that had the name, leaves `tasks`. */
  addListed (task: Task, previous: Task | undefined): void {
    ListItem.join(task, this.#live)
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
    if (task.settled) ListItem.leave(task)
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
  settled (task: Task, settledAt: number): void {
    const isListed = ListItem.isIn(task, this.#live)
    if (isListed) this.#history.add(task.status, settledAt)
    if (isListed && task.name !== undefined) {
      ListItem.join(task, this.#settled)
    } else {
      if (isListed) this.#counts.add(task.status, -1)
      ListItem.leave(task)
    }
    this.#expire()
    this.#shrinkSettled(this.#maxSettled)
  }

  /** Drops the settled tasks, or those for which `which` is true. Returns how many. */
  purge (which?: (task: Task) => boolean): number {
    this.#expire()
    const { size } = this.#settled
    if (which === undefined) {
      this.#shrinkSettled(0)
      return size
    }
    // `which` may add and drop tasks, so all are asked before any is dropped.
    const chosen = this.#settled.toArray().filter(task => checkAnswer(which(task)))
    return chosen.filter(task => this.#drop(task)).length
  }

  /** Drops those that are older than `maxSettledAge`. */
  #expire () {
    if (this.#maxSettledAge === Infinity) return
    const expired = Date.now() - this.#maxSettledAge
    while (this.#settled.first !== undefined && this.#settled.first.settledAt! <= expired) this.#drop(this.#settled.first)
  }

  /** Drops those that settled first, until no more than `size` are left. */
  #shrinkSettled (size: number) {
    while (this.#settled.size > size) this.#drop(this.#settled.first!)
  }

  /** Drops a settled task. Returns true if it was there. */
  #drop (task: Task): boolean {
    if (!ListItem.isIn(task, this.#settled)) return false
    this.#names.delete(task.name!)
    this.#counts.add(task.status, -1)
    ListItem.leave(task)
    return true
  }

  #isListed (task: Task): boolean {
    return ListItem.isIn(task, this.#live) || ListItem.isIn(task, this.#settled)
  }

  /** A task that has been replaced has lost its name to the new one. */
  #freeName (task: Task) {
    if (task.name !== undefined && this.#names.get(task.name) === task) this.#names.delete(task.name)
  }
}
