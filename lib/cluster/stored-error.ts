import { AbortError } from '../core/abort.ts'
import { errorState } from '../core/task-state.ts'
import type { StoredError } from './engine.ts'

/** What is stored of an error. */
export function toStoredError (error: unknown): StoredError {
  return errorState(error)
}

/** What is stored of the reason of a cancellation: as in the core, a string is the message of an AbortError. */
export function toStoredReason (reason: Error | string): StoredError {
  return errorState(typeof reason === 'string' ? new AbortError(reason) : reason)
}

/** An error of the stored name, message and code. Its stack would be that of whoever reads it, so it has none. */
export function fromStoredError ({ name, message, code }: StoredError): Error & { code?: string | number } {
  const error: Error & { code?: string | number } = new Error(message)
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  error.stack = `${name}: ${message}`
  if (code !== undefined) error.code = code
  return error
}
