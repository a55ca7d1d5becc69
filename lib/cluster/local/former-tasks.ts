import type { LocalTask } from './task.ts'

const MAX_REMEMBERED = 100

/**
 * Settled tasks that were dropped, because a new task took their name or too many were kept. It can still be read how such a task ended:
 * the last 100 are remembered, others only while somebody watches their name.
 */
export class FormerTasks {
  readonly #tasks = new Set<LocalTask>()
  readonly #isWatched: (name: string) => boolean

  constructor (isWatched: (name: string) => boolean) {
    this.#isWatched = isWatched
  }

  add (task: LocalTask): void {
    this.#tasks.add(task)
    let surplus = this.#tasks.size - MAX_REMEMBERED
    for (const oldest of this.#tasks) {
      if (surplus-- <= 0) break
      if (!this.#isWatched(oldest.name)) this.#tasks.delete(oldest)
    }
  }

  get (name: string, id: number): LocalTask | undefined {
    for (const task of this.#tasks) if (task.id === id && task.name === name) return task
    return undefined
  }
}
