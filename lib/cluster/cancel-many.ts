import type { CancelTasksOptions } from '../../types/cluster.ts'
import type { TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT } from '../core/errors.ts'
import { taskLabel } from '../core/task-label.ts'
import { chosenBy, inBatches, setOf, type Fate } from './batches.ts'
import { cancelReason, ClusterTask, type TaskPlace } from './cluster-task.ts'
import type { StoredTask } from './engine.ts'
import { toStoredReason } from './stored-error.ts'

/**
 * Cancels the tasks of these statuses, and waits until those that ran have stopped. Returns how many this call has cancelled. If
 * some do not stop, it rejects with `FST_ERR_TASK_CANCEL_TIMEOUT`, whose message tells both numbers.
 */
export async function cancelMany (place: TaskPlace, { status = ['deferred', 'running'], limit = 1000, which, reason, timeout }: CancelTasksOptions): Promise<number> {
  const queue = await place.queue()
  const statuses = setOf<TaskStatus>(status)
  const isChosen = chosenBy(place, which, 'cancelTasks')
  let taken = 0 // cancelled, or being cancelled
  const stopping = new Map<string, { task: ClusterTask, isFirst: boolean }>() // others may have cancelled some of them before
  const cancel = async ({ name, id }: StoredTask): Promise<Fate> => {
    const key = `${id}:${name}`
    if (stopping.has(key) || taken >= limit) return 'stayed'
    taken++
    const found = await queue.cancelFirst(name, id, toStoredReason(reason ?? cancelReason(name)))
    if (found?.task.status === 'cancelled' && found.isFirst) return 'done'
    if (found === undefined || found.task.settledAt !== undefined) {
      taken--
      return 'left'
    }
    const task = new ClusterTask(place, found.task)
    stopping.set(key, { task, isFirst: found.isFirst })
    return statuses.has(task.status) ? 'stayed' : 'left'
  }
  const pass = async (part: readonly TaskStatus[]) => await inBatches(queue, { statuses: new Set(part.filter(each => statuses.has(each))), isChosen }, limit - taken, cancel)
  // Deferred tasks come first: a running one that ends would let the next one start.
  let cancelled = await pass(['deferred'])
  let known
  do { // tasks that end meanwhile move the others to earlier pages
    known = stopping.size
    cancelled += await pass(['running', 'cancelling'])
  } while (stopping.size > known)

  // All are being cancelled before the first wait, so that all of them together take one `timeout`.
  const running = [...stopping.values()]
  const outcomes = await Promise.allSettled(running.map(({ task }) => task.awaitCancellation({ reason, timeout })))
  cancelled += running.filter(({ task, isFirst }) => isFirst && task.status === 'cancelled').length
  const errors = outcomes.flatMap(outcome => outcome.status === 'rejected' ? [outcome.reason as Error] : [])
  if (errors.length === 0) return cancelled
  const fault = errors.find(error => !(error instanceof FST_ERR_TASK_CANCEL_TIMEOUT))
  if (fault !== undefined) throw fault
  const stuck = running.filter((_, i) => outcomes[i]!.status === 'rejected')
  const label = stuck.length === 1 ? taskLabel(stuck[0]!.task) : `${stuck.length} tasks of the kind "${place.kind}"`
  const others = cancelled === 1 ? '1 other was' : `${cancelled} others were`
  throw new FST_ERR_TASK_CANCEL_TIMEOUT(label, timeout ?? place.cancelTimeout, `(${others} cancelled)`)
}
