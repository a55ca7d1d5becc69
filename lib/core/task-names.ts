import type { Task } from './task.ts'

/**
 * Tasks by name: a Map that is copied after four times as many deletions as it has entries, and 64 more so that a small
 * one is not copied all the time.
 *
 * When a Map runs full of holes it moves to a new table and leaves the old one pointing to it. Once the garbage
 * collector has taken one such table for old, the tables after it and all tasks in them are kept until a full
 * collection, and survive every small one on the way, which costs twice what a named task costs else.
 */
export class TaskNames {
  #tasks = new Map<string, Task>()
  #deletions = 0

  get (name: string): Task | undefined {
    return this.#tasks.get(name)
  }

  set (name: string, task: Task): void {
    this.#tasks.set(name, task)
  }

  delete (name: string): void {
    this.#tasks.delete(name)
    if (++this.#deletions < 4 * this.#tasks.size + 64) return
    this.#tasks = new Map(this.#tasks)
    this.#deletions = 0
  }
}
