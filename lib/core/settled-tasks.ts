import { LinkedList, ListItem } from './linked-list.ts'
import type { Task } from './task.ts'

/**
 * The settled tasks that are kept. Tasks with a `maxSettledAge` of their own are counted apart, so that the many short tasks of
 * an app do not push them out. There is no timer: `expired()` looks for tasks that are too old.
 */
export class SettledTasks {
  readonly #maxSettled: number
  readonly #maxSettledAge: number
  /** The tasks without an age of their own, in the order in which they settled. */
  readonly #plain = new LinkedList<Task>()
  /** The age of each task that has one of its own, settled or not. Undefined until there is one. */
  #ages: WeakMap<Task, number> | undefined = undefined
  /** The tasks of each age, in the order in which they settled. No list is empty. */
  readonly #byAge = new Map<number, LinkedList<Task>>()
  #agedSize = 0
  /** Before this time no task of `#byAge` expires. */
  #nextExpiry = Infinity

  constructor ({ maxSettled, maxSettledAge }: { maxSettled: number, maxSettledAge: number }) {
    this.#maxSettled = maxSettled
    this.#maxSettledAge = maxSettledAge
  }

  get size (): number {
    return this.#plain.size + this.#agedSize
  }

  /** Any one of the tasks. Undefined if there is none. */
  get first (): Task | undefined {
    if (this.#agedSize === 0) return this.#plain.first
    const [aged] = this.#byAge.values()
    return aged!.first
  }

  toArray (): Task[] {
    const tasks = this.#plain.toArray()
    return this.#agedSize === 0 ? tasks : tasks.concat(...Array.from(this.#byAge.values(), list => list.toArray()))
  }

  /** Sets for how many ms a task is kept once it has settled. It must not have settled yet. */
  setAge (task: Task, age: number): void {
    this.#ages ??= new WeakMap()
    this.#ages.set(task, age)
  }

  has (task: Task): boolean {
    const list = this.#listOf(task)
    return list !== undefined && ListItem.isIn(task, list)
  }

  /** Adds a task that has settled just now. It leaves the list that it is in. */
  add (task: Task): void {
    const age = this.#ages?.get(task)
    if (age === undefined) {
      ListItem.join(task, this.#plain)
      return
    }
    let list = this.#byAge.get(age)
    if (list === undefined) this.#byAge.set(age, list = new LinkedList())
    ListItem.join(task, list)
    this.#agedSize++
    this.#nextExpiry = Math.min(this.#nextExpiry, task.settledAt! + age)
  }

  /** Removes a task that is kept. */
  remove (task: Task): void {
    ListItem.leave(task)
    const age = this.#ages?.get(task)
    if (age === undefined) return
    this.#agedSize--
    if (this.#byAge.get(age)!.size === 0) this.#byAge.delete(age)
  }

  /** Any one of the tasks that have expired. Undefined if there is none. */
  expired (): Task | undefined {
    if (this.#maxSettledAge === Infinity && this.#nextExpiry === Infinity) return undefined
    const time = Date.now()
    const { first } = this.#plain
    if (first !== undefined && first.settledAt! + this.#maxSettledAge <= time) return first
    if (time < this.#nextExpiry) return undefined
    this.#nextExpiry = Infinity
    for (const [age, { first }] of this.#byAge) {
      const expiry = first!.settledAt! + age
      this.#nextExpiry = Math.min(this.#nextExpiry, expiry)
      if (expiry <= time) return first
    }
    return undefined
  }

  /** The task that `maxSettled` pushes out, if any. Tasks with an age of their own are counted apart. */
  surplus (): Task | undefined {
    if (this.#plain.size > this.#maxSettled) return this.#plain.first
    if (this.#agedSize <= this.#maxSettled) return undefined
    const firsts = Array.from(this.#byAge.values(), list => list.first!)
    return firsts.reduce((oldest, task) => task.settledAt! < oldest.settledAt! ? task : oldest)
  }

  #listOf (task: Task): LinkedList<Task> | undefined {
    const age = this.#ages?.get(task)
    return age === undefined ? this.#plain : this.#byAge.get(age)
  }
}
