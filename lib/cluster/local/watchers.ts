import type { Changed } from '../engine.ts'

/** The callbacks that are notified of changes: of the tasks of one name or, without a name, of all tasks. */
export class Watchers {
  readonly #byName = new Map<string | undefined, Set<Changed>>()

  /** Calls back at every change, and once soon. Returns a function that ends this. */
  add (name: string | undefined, changed: Changed): () => void {
    const watchers = this.#byName.get(name) ?? new Set()
    this.#byName.set(name, watchers.add(changed))
    queueMicrotask(() => { if (watchers.has(changed)) changed() })
    return () => {
      if (watchers.delete(changed) && watchers.size === 0) this.#byName.delete(name)
    }
  }

  /** Whether anybody watches this name. */
  has (name: string): boolean {
    return this.#byName.has(name)
  }

  /** Whether anybody watches any name. */
  get hasAny () { return this.#byName.size > 0 }

  notify (name: string): void {
    for (const watchers of [this.#byName.get(name), this.#byName.get(undefined)]) {
      for (const changed of watchers ?? []) changed()
    }
  }
}
