import type { TaskLimit } from '../../types/index.ts'
import { FST_ERR_TASK_LIMIT } from './errors.ts'

/** Counts the unsettled tasks of each key of the option `limit`. A key without an unsettled task takes no memory. */
export class KeyLimits {
  /** Made for the first task with a limit. Undefined again once none is left, which also frees the table of the Map. */
  #counts: Map<string, number> | undefined = undefined

  /** Throws if a key has as many unsettled tasks as its limit allows. */
  check ({ key, max }: TaskLimit, label: string): void {
    if (this.#countOf(key) >= max) throw keyLimitError(label, max)
  }

  add (key: string): void {
    const count = this.#countOf(key) + 1
    this.#counts ??= new Map()
    this.#counts.set(key, count)
  }

  /** A task of the key has settled. */
  remove (key: string): void {
    const count = this.#countOf(key) - 1
    if (count > 0) this.#counts!.set(key, count)
    else if (this.#counts!.size > 1) this.#counts!.delete(key)
    else this.#counts = undefined
  }

  #countOf (key: string): number {
    return this.#counts?.get(key) ?? 0
  }
}

/** What a task is refused with whose key has as many unsettled tasks as its limit allows. A 429: the client is to wait. */
export function keyLimitError (label: string, max: number): Error {
  return Object.assign(new FST_ERR_TASK_LIMIT(label, max, 'with the same limit key'), { statusCode: 429 })
}
