// Tells the forms of work apart. The values may come from any library.
import { types } from 'node:util'
import type { TaskOptions } from '../../types/index.ts'

export type GeneratorWork<T, Progress> = Generator<Progress, T, void> | AsyncGenerator<Progress, T, void>

/** Whether `await value` would wait. True for a value whose `then` is a getter that throws: awaiting it rejects. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
  } catch {
    return true
  }
}

/** Recognises a generator by its methods, so a generator that was compiled for an older runtime counts, too. */
export function isGenerator (value: unknown): value is GeneratorWork<unknown, unknown> {
  if (typeof value !== 'object' || value === null) return false
  try {
    const { next, throw: throwInto, [Symbol.iterator]: iterator, [Symbol.asyncIterator]: asyncIterator } = value as Partial<Generator & AsyncGenerator>
    return typeof next === 'function' && typeof throwInto === 'function' && typeof (asyncIterator ?? iterator) === 'function'
  } catch {
    return false // It has a getter that throws.
  }
}

/** Whether work that `checkWork` has accepted is a promise. It runs already, and nothing can stop it. */
export function isPromise (work: unknown): boolean {
  return typeof work !== 'function' && !isGenerator(work)
}

/** Whether a thenable may begin only when its `then` is called, as the queries of Knex and Mongoose do. A native promise never does. */
export function isLazy (work: unknown): boolean {
  return !types.isPromise(work)
}

/** What kind of work it is: the option, or the function's name if it has one. That name can be any value, or a getter that throws. */
export function kindOf (work: unknown, { kind }: TaskOptions): string | undefined {
  if (kind !== undefined || typeof work !== 'function') return kind
  try {
    const { name } = work as { name?: unknown }
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}
