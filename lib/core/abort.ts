import { sharedListener } from './shared-listener.ts'

/**
 * The default abort reason. It has the form of Node's own. See https://nodejs.org/api/errors.html#abort_err
 *
 * It has no stack trace. Taking one would be most of the cost of a cancellation, and its frames would keep objects alive, such
 * as the request that cancelled the task.
 */
export class AbortError extends Error {
  override readonly name = 'AbortError'
  readonly code = 'ABORT_ERR'

  constructor (message: string, options?: ErrorOptions) {
    const { stackTraceLimit } = Error
    Reflect.set(Error, 'stackTraceLimit', 0) // does nothing, without an error, where Error is frozen
    super(message, options)
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

/** V8 throws this in place of the reason if a generator is at a `yield *` over an iterator that has no `throw`, such as that of an array. */
const NO_THROW = /^The iterator does not provide a 'throw' method/

/**
 * Whether aborted work ended because of the abort. It did if it threw the reason itself, an AbortError, axios's CanceledError,
 * an error caused by one of them, or an AggregateError of nothing else.
 */
export function isAbort (error: unknown, reason: unknown, isGenerator = false): boolean {
  const answers = new Map<unknown, boolean>()

  function test (error: unknown): boolean {
    if (error === reason) return true
    if (Object(error) !== error) return false
    const known = answers.get(error)
    if (known !== undefined) return known
    answers.set(error, false) // for an error that is its own cause
    const { name, code, message, cause, errors } = error as { name?: unknown, code?: unknown, message?: unknown, cause?: unknown, errors?: unknown }
    const answer = name === 'AbortError' || code === 'ERR_CANCELED' || (isGenerator && NO_THROW.test(String(message))) || (cause !== undefined && test(cause)) ||
      (Array.isArray(errors) && errors.length > 0 && errors.every(test))
    answers.set(error, answer)
    return answer
  }

  try {
    return test(error)
  } catch {
    return false // It has a getter that throws.
  }
}

/** Calls back when a signal is aborted. It must not be aborted yet. */
export const onceAborted = sharedListener((signal: AbortSignal, fire) => {
  signal.addEventListener('abort', fire, { once: true })
  return () => signal.removeEventListener('abort', fire)
})
