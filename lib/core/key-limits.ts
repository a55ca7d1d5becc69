import type { TaskLimit } from '../../types/index.ts'
import { FST_ERR_TASK_LIMIT } from './errors.ts'

/** Counts the unsettled tasks of each key of the option `limit`. A key without an unsettled task takes no memory. */
export class KeyLimits {
  /** Made for the first task with a limit. Undefined again when the last key is gone, since an empty Map keeps its table. */
  #counts: Map<string, number> | undefined = undefined

  /** Throws if the limit has no place left for its key. */
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

/** The error for a task whose limit has no place left for its key. A 429, since the client should wait. */
export function keyLimitError (label: string, max: number): Error {
  return Object.assign(new FST_ERR_TASK_LIMIT(label, max, 'with the same limit key'), { statusCode: 429 })
}
