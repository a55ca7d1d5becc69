import type { TaskStatus } from '../../types/index.ts'

/** How many tasks there are of each status. `add` has a switch: looking a property up by its name would take longer than all the rest. */
export class StatusCounts implements Record<TaskStatus, number> {
  deferred = 0
  running = 0
  cancelling = 0
  completed = 0
  failed = 0
  cancelled = 0

  add (status: TaskStatus, count: number): void {
    switch (status) {
      case 'deferred': this.deferred += count; break
      case 'running': this.running += count; break
      case 'cancelling': this.cancelling += count; break
      case 'completed': this.completed += count; break
      case 'failed': this.failed += count; break
      case 'cancelled': this.cancelled += count; break
    }
  }
}
