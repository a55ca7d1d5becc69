import { Task } from './task.ts'
import { taskLabel } from './task-label.ts'
import { errorState } from './task-state.ts'

/**
 * Warns of the error of a failed task that was not logged, unless somebody looks at its `finished` in this turn of the
 * event loop. See https://nodejs.org/api/process.html#processemitwarningwarning-options
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
    return '' // an error that cannot be read, or nothing at all
  }
}
