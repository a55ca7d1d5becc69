import type { FastifyBaseLogger } from 'fastify'
import { errorState } from './task-state.ts'

/**
 * Logs an error of a task, or of the app. If the logger's serializers throw at it, logs its name, message and code instead. If the
 * logger throws at those too, the line is lost. Returns whether a line was logged: a logger that is switched off has one and the same
 * method for every level.
 */
export function logError (of: { readonly log: FastifyBaseLogger }, error: unknown, message: string): boolean {
  for (const err of [() => error, () => errorState(error)]) {
    try {
      of.log.error({ err: err() }, message)
      return of.log.error !== of.log.trace
    } catch {}
  }
  return false
}

/**
 * Emits a process warning with an error that was not logged. `what` says where it comes from.
 * See https://nodejs.org/api/process.html#processemitwarningwarning-options
 */
export function warnOfLostError (code: 'FST_TASK_FAILED' | 'FST_TASK_LOST_ERROR', what: string, error: unknown): void {
  const { name, message } = errorState(error)
  process.emitWarning(`${what}: ${name}: ${message}`, { type: 'FastifyTasksWarning', code, detail: stackOf(error) })
}

function stackOf (error: unknown): string {
  try {
    return String((error as Error).stack ?? '')
  } catch {
    return '' // It is null, undefined, or has a getter that throws.
  }
}
