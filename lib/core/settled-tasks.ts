import { LinkedList, ListItem } from './linked-list.ts'
import type { Task } from './task.ts'

/**
 * The settled tasks that are kept. Those with a `maxSettledAge` of their own are counted apart, so that the many short tasks of
 * an app do not push them out. There is no timer: what has expired is found when one looks.
 */
export class SettledTasks {
  readonly #maxSettled: number
  readonly #maxSettledAge: number
  /** Those without an age of their own, the one that settled first at the front. */
  readonly #plain = new LinkedList<Task>()
  /** The ages of tasks that have one of their own, settled or not. Undefined until there is one. */
  #ages: WeakMap<Task, number> | undefined = undefined
  /** Those of each age, the one that settled first at the front. No list is empty. */
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

  /** One that is kept, if there is any. */
  get first (): Task | undefined {
    if (this.#agedSize === 0) return this.#plain.first
    const [aged] = this.#byAge.values()
    return aged!.first
  }

  toArray (): Task[] {
    const tasks = this.#plain.toArray()
    return this.#agedSize === 0 ? tasks : tasks.concat(...Array.from(this.#byAge.values(), list => list.toArray()))
  }

  /** Has a task that has not settled kept for so many ms. */
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

  /** One that is older than it may be, if there is any. */
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

  /** The one to drop if there are more than `maxSettled`, of those with an age of their own or of the others. */
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
