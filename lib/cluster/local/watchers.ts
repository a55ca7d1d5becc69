type Changed = () => void

/** Who is to be told of changes: of the tasks of one name, or (without one) of all. */
export class Watchers {
  readonly #byName = new Map<string | undefined, Set<Changed>>()

  add (name: string | undefined, changed: Changed): () => void {
    const watchers = this.#byName.get(name) ?? new Set()
    this.#byName.set(name, watchers.add(changed))
    queueMicrotask(() => { if (watchers.has(changed)) changed() })
    return () => {
      if (watchers.delete(changed) && watchers.size === 0) this.#byName.delete(name)
    }
  }

  tell (name: string): void {
    for (const watchers of [this.#byName.get(name), this.#byName.get(undefined)]) {
      for (const changed of watchers ?? []) changed()
    }
  }
}
