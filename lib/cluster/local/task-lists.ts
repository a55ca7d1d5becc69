import type { TaskCounts } from '../../../types/cluster.ts'
import { Sorted } from './sorted.ts'
import type { LocalTask } from './task.ts'

const byPlace = (a: LocalTask, b: LocalTask) => a.place - b.place

/** The tasks of a kind, in lists by their status. Each task is in one list, or in none if it was dropped. */
export class TaskLists {
  /** Also tasks that are cancelling. */
  readonly running = new Sorted<LocalTask>(byPlace)
  /** Tasks that may start, in the order in which p-queue starts them. */
  readonly waiting = new Sorted<LocalTask>((a, b) => a.priority - b.priority || byPlace(a, b))
  readonly delayed = new Sorted<LocalTask>((a, b) => a.startsAt! - b.startsAt! || byPlace(a, b))
  /** Also tasks that were cancelled. */
  readonly failed = new Sorted<LocalTask>(byPlace)
  readonly completed = new Sorted<LocalTask>(byPlace)
  #lastPlace = 0

  /** Takes a task out of its list, changes it, and adds it to the list in which it then belongs, behind the tasks that are there. */
  move (task: LocalTask, listOf: (task: LocalTask) => Sorted<LocalTask> | undefined, change = () => {}): void {
    task.list?.delete(task)
    change()
    task.place = ++this.#lastPlace
    task.list = listOf(task)
    task.list?.add(task)
  }

  get counts (): TaskCounts {
    return {
      deferred: this.waiting.size + this.delayed.size,
      running: this.running.size,
      completed: this.completed.size,
      failed: this.failed.size
    }
  }

  get settledSize (): number {
    return this.failed.size + this.completed.size
  }

  /** The task that settled first. */
  get settledFirst (): LocalTask | undefined {
    const [failed, completed] = [this.failed.first, this.completed.first]
    return failed === undefined || (completed !== undefined && completed.place < failed.place) ? completed : failed
  }

  /** All tasks, in the order in which they are listed. */
  * [Symbol.iterator] () {
    yield * this.running
    yield * this.waiting
    yield * this.delayed
    yield * this.failed.backwards()
    yield * this.completed.backwards()
  }
}
