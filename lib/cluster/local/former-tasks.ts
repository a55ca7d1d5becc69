import type { LocalTask } from './task.ts'

const MAX_REMEMBERED = 100

/** The settled tasks that had to go last, for a successor or for want of room: whoever holds one still learns how it ended. */
export class FormerTasks {
  readonly #tasks = new Set<LocalTask>()

  add (task: LocalTask): void {
    this.#tasks.add(task)
    for (const first of this.#tasks) {
      if (this.#tasks.size <= MAX_REMEMBERED) break
      this.#tasks.delete(first)
    }
  }

  get (name: string, id: number): LocalTask | undefined {
    for (const task of this.#tasks) if (task.id === id && task.name === name) return task
    return undefined
  }
}
