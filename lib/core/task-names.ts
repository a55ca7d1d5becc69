import type { Task } from './task.ts'

/**
 * Tasks by name. The Map is copied when it has had four times as many deletions as it has entries. 64 more are allowed, so that
 * a small Map is not copied all the time.
 *
 * A Map that is full of deleted entries moves to a new table, and its old table refers to the new one. Once V8 has moved an old
 * table to the old generation, the later tables and all tasks in them stay alive until a full collection, and every minor
 * collection copies them. That doubles what a named task costs.
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
