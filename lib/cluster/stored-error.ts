import { AbortError } from '../core/abort.ts'
import { errorState } from '../core/task-state.ts'
import type { StoredError } from './engine.ts'

type RestoredError = Error & { code?: string | number, statusCode?: number }

/** What is stored of an error. */
export function toStoredError (error: unknown): StoredError {
  return { ...errorState(error), ...statusOf(error) }
}

/** What is stored of the reason of a cancellation: as in the core, a string is the message of an AbortError. */
export function toStoredReason (reason: Error | string): StoredError {
  return toStoredError(typeof reason === 'string' ? new AbortError(reason) : reason)
}

/** An error of the stored name, message, code and status. It has no stack, since that would be the reader's. */
export function fromStoredError ({ name, message, code, statusCode }: StoredError): RestoredError {
  const error: RestoredError = new Error(message)
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  error.stack = `${name}: ${message}`
  if (code !== undefined) error.code = code
  if (statusCode !== undefined) error.statusCode = statusCode
  return error
}

/** The status that Fastify replies with: see `setErrorHandler`. Anything can be thrown, also an object whose getters throw. */
function statusOf (error: unknown): { statusCode?: number } {
  try {
    const { statusCode, status } = Object(error) as { statusCode?: unknown, status?: unknown }
    const found = statusCode || status
    return Number.isInteger(found) && (found as number) >= 400 && (found as number) <= 599 ? { statusCode: found as number } : {}
  } catch {
    return {}
  }
}
