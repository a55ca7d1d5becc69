import type { LocalTask } from './task.ts'

type Changed = () => void

/** Who watches the tasks of one name, and the settled task that is gone while they do. */
interface Watched {
  readonly watchers: Set<Changed>
  gone: LocalTask | undefined
}

/** Who is to be told of changes: of the tasks of one name, or (without one) of all. */
export class Watchers {
  readonly #byName = new Map<string | undefined, Watched>()

  add (name: string | undefined, changed: Changed): () => void {
    const watched = this.#byName.get(name) ?? { watchers: new Set(), gone: undefined }
    this.#byName.set(name, watched)
    watched.watchers.add(changed)
    queueMicrotask(() => { if (watched.watchers.has(changed)) changed() })
    return () => {
      if (watched.watchers.delete(changed) && watched.watchers.size === 0) this.#byName.delete(name)
    }
  }

  tell (name: string): void {
    for (const watched of [this.#byName.get(name), this.#byName.get(undefined)]) {
      for (const changed of watched?.watchers ?? []) changed()
    }
  }

  /** A settled task is gone: whoever watches it has yet to learn how it ended. */
  remember (task: LocalTask): void {
    const watched = this.#byName.get(task.name)
    if (watched !== undefined) watched.gone = task
  }

  lastSeen (name: string): LocalTask | undefined {
    return this.#byName.get(name)?.gone
  }
}
