import type { QueueSettings } from './engine.ts'

/** Milliseconds from the end of an attempt to the start of the next: as many as this, less a share that `jitter` leaves to chance. */
export function longestBackoff ({ type, delay }: QueueSettings['backoff'], attempt: number): number {
  return type === 'exponential' ? delay * 2 ** (attempt - 1) : delay
}
