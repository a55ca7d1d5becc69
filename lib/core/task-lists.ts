import type { TaskStatus } from '../../types/index.ts'
import { LinkedList } from './linked-list.ts'
import { StatusCounts } from './status-counts.ts'
import type { Task } from './task.ts'
import { TaskNames } from './task-names.ts'

/** Which tasks there are: live or settled, in `tasks` or not, by name, and how many of each status. */
export class TaskLists {
  readonly #maxSettled: number
  readonly #maxSettledAge: number
  readonly #names = new TaskNames()
  // A task is in one of these lists, or gone.
  /** Unsettled and in `tasks`. */
  readonly #live = new LinkedList<Task>()
  /** Unsettled and not in `tasks`: added with `register: false`, or replaced. */
  readonly #unlisted = new LinkedList<Task>()
  /** Settled, named and in `tasks`, the one that settled first at the front. */
  readonly #settled = new LinkedList<Task>()
  readonly #counts = new StatusCounts()

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

  /** How many have not settled, in `tasks` or not. */
  get unsettledSize (): number {
    return this.#live.size + this.#unlisted.size
  }

  /** Those in `tasks`, the settled ones first. */
  toArray (): Task[] {
    this.#expire()
    return this.#settled.toArray().concat(this.#live.toArray())
  }

  /** Those that have not settled, in `tasks` or not. */
  unsettled (): Task[] {
    return this.#live.toArray().concat(this.#unlisted.toArray())
  }

  find (name: string): Task | undefined {
    this.#expire()
    return this.#names.get(name)
  }

  /** Takes a task into `tasks`, under its name if it has one; `holder`, who has that name, is in `tasks` no more. */
  list (task: Task, holder: Task | undefined): void {
    task.join(this.#live)
    this.#counts.add(task.status, 1)
    if (task.name !== undefined) this.#names.set(task.name, task)
    if (holder !== undefined) this.unlist(holder)
  }

  /** Keeps a task out of `tasks`, or takes it out. Until it has settled it is among the unsettled ones. */
  unlist (task: Task): void {
    if (task.isIn(this.#live) || task.isIn(this.#settled)) this.#counts.add(task.status, -1)
    if (task.name !== undefined && this.#names.get(task.name) === task) this.#names.delete(task.name)
    if (task.settled) task.leave()
    else task.join(this.#unlisted)
  }

  /** A task has another status than `from`. */
  changed (task: Task, from: TaskStatus): void {
    if (!task.isIn(this.#live)) return
    this.#counts.add(from, -1)
    this.#counts.add(task.status, 1)
  }

  /** A task has settled: one that is named and in `tasks` is kept there. */
  settled (task: Task): void {
    const listed = task.isIn(this.#live)
    if (listed && task.name !== undefined) {
      task.join(this.#settled)
    } else {
      if (listed) this.#counts.add(task.status, -1)
      task.leave()
    }
    this.#expire()
    this.#shrinkSettled(this.#maxSettled)
  }

  /** Drops the settled tasks, or those for which `which` is true; answers how many. */
  purge (which?: (task: Task) => boolean): number {
    this.#expire()
    const { size } = this.#settled
    if (which === undefined) {
      this.#shrinkSettled(0)
      return size
    }
    // Asked first and dropped then, as `which` may do anything.
    const chosen = this.#settled.toArray().filter(task => which(task))
    return chosen.filter(task => this.#drop(task)).length
  }

  /** Drops those that have been kept for long enough. */
  #expire () {
    if (this.#maxSettledAge === Infinity) return
    const expired = Date.now() - this.#maxSettledAge
    while (this.#settled.first !== undefined && this.#settled.first.settledAt! <= expired) this.#drop(this.#settled.first)
  }

  /** Drops those that settled first, down to a size. */
  #shrinkSettled (size: number) {
    while (this.#settled.size > size) this.#drop(this.#settled.first!)
  }

  /** Drops a settled task; answers whether it was there. */
  #drop (task: Task): boolean {
    if (!task.isIn(this.#settled)) return false
    this.#names.delete(task.name!)
    this.#counts.add(task.status, -1)
    task.leave()
    return true
  }
}
