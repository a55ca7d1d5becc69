import { setTimeout } from 'node:timers/promises'
import { MAX_DELAY } from '../../core/options.ts'

/** Resolves at a time, however far off, as no timer of Node does. Rejects once the signal is aborted. */
export async function until (time: number, signal: AbortSignal): Promise<void> {
  for (let ms = time - Date.now(); ms > 0; ms = time - Date.now()) {
    await setTimeout(Math.min(ms, MAX_DELAY), undefined, { signal })
  }
}
