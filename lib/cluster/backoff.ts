import type { QueueSettings } from './engine.ts'

/** The longest pause after an attempt, in milliseconds. `jitter` takes a random share off it. */
export function longestBackoff ({ type, delay }: QueueSettings['backoff'], attempt: number): number {
  return type === 'exponential' ? delay * 2 ** (attempt - 1) : delay
}
