import { Task } from './task.ts'
import { taskLabel } from './task-label.ts'
import { errorState } from './task-state.ts'

/**
 * Emits a process warning with the error of a failed task that was not logged. Does nothing if `finished` is read in this turn
 * of the event loop. See https://nodejs.org/api/process.html#processemitwarningwarning-options
 */
export function warnOfLostError (task: Task): void {
  setImmediate(() => {
    if (Task.isFinishedRead(task)) return
    const { name, message } = errorState(task.error)
    process.emitWarning(`Unreported failure of ${taskLabel(task)}: ${name}: ${message}`, {
      type: 'FastifyTasksWarning',
      code: 'FST_TASK_FAILED',
      detail: stackOf(task.error)
    })
  })
}

function stackOf (error: unknown): string {
  try {
    return String((error as Error).stack ?? '')
  } catch {
    return '' // It is null, undefined, or has a getter that throws.
  }
}
