import { sharedListener } from './shared-listener.ts'

/**
 * An abort reason for those who gave none, in the form of Node's own. See https://nodejs.org/api/errors.html#abort_err
 *
 * It has no stack trace: nothing has gone wrong, the trace would take most of what a cancellation costs, and a settled
 * task would keep alive what its frames hold, such as the request that cancelled it.
 */
export class AbortError extends Error {
  override readonly name = 'AbortError'
  readonly code = 'ABORT_ERR'

  constructor (message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error
    Reflect.set(Error, 'stackTraceLimit', 0) // in vain, not with an error, where Error is frozen
    super(message, options)
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/**
 * Whether `error` is how aborted work ends: with the reason itself, an AbortError, axios's CanceledError, an error caused
 * by one of them, or an AggregateError of nothing else.
 */
export function isAbort (error: unknown, reason: unknown): boolean {
  const answers = new Map<unknown, boolean>()

  function test (error: unknown): boolean {
    if (error === reason) return true
    if (Object(error) !== error) return false
    const known = answers.get(error)
    if (known !== undefined) return known
    answers.set(error, false) // of one that causes itself
    const { name, code, cause, errors } = error as { name?: unknown, code?: unknown, cause?: unknown, errors?: unknown }
    const answer = name === 'AbortError' || code === 'ERR_CANCELED' || (cause !== undefined && test(cause)) ||
      (Array.isArray(errors) && errors.length > 0 && errors.every(test))
    answers.set(error, answer)
    return answer
  }

  try {
    return test(error)
  } catch {
    return false // an error that throws when it is read is no abort
  }
}

/** Calls back when a signal that is not aborted yet is. */
export const onceAborted = sharedListener((signal: AbortSignal, fire) => {
  signal.addEventListener('abort', fire, { once: true })
  return () => signal.removeEventListener('abort', fire)
})
