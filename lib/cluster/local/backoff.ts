import type { QueueSettings } from '../engine.ts'

/** Milliseconds from the end of an attempt to the start of the next. */
export function backoffDelay ({ type, delay, jitter }: QueueSettings['backoff'], attempt: number): number {
  const longest = type === 'exponential' ? delay * 2 ** (attempt - 1) : delay
  return Math.round(longest * (1 - jitter * Math.random()))
}
