import { sharedListener } from './shared-listener.ts'

/** An abort reason for those who gave none, in the form of Node's own. See https://nodejs.org/api/errors.html#abort_err */
export class AbortError extends Error {
  override readonly name = 'AbortError'
  readonly code = 'ABORT_ERR'
}

/** Whether `error` is how aborted work ends: with the reason itself, an AbortError, or an error caused by either. */
export function isAbort (error: unknown, reason: unknown): boolean {
  const seen = new Set()
  try {
    let cause = error
    do {
      if (cause === reason || (cause as Error | undefined)?.name === 'AbortError') return true
      seen.add(cause)
      cause = (cause as Error | undefined)?.cause
    } while (cause !== undefined && !seen.has(cause))
  } catch {
    // An error that throws when it is read is no abort.
  }
  return false
}

/** Calls back when a signal that is not aborted yet is. */
export const onceAborted = sharedListener((signal: AbortSignal, fire) => {
  signal.addEventListener('abort', fire, { once: true })
  return () => signal.removeEventListener('abort', fire)
})
