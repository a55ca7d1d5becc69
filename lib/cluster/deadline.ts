import { MAX_DELAY } from '../core/options.ts'
import { Task } from '../core/task.ts'
import { longestBackoff } from './backoff.ts'
import type { QueueSettings, StoredTask } from './engine.ts'
import { FST_ERR_TASK_DEADLINE } from './errors.ts'

/** Milliseconds that a task has left. */
function timeLeft ({ dueAt }: StoredTask, deadline: number): number {
  return dueAt + deadline - Date.now()
}

/** Throws for a task whose deadline has passed while it waited. */
export function assertTimeLeft (stored: StoredTask, deadline: number, label: string): void {
  if (timeLeft(stored, deadline) <= 0) throw new FST_ERR_TASK_DEADLINE(label, deadline)
}

/** Makes a run fail when the deadline of its task passes. */
export function failAtDeadline (run: Task, stored: StoredTask, deadline: number, label: string): void {
  const left = timeLeft(stored, deadline)
  if (left <= MAX_DELAY) Task.failAfter(run, Math.max(0, left), () => new FST_ERR_TASK_DEADLINE(label, deadline))
}

/** Returns true if the next attempt of a task that has just failed would start after its deadline. */
export function isTooLate (stored: StoredTask, deadline: number, backoff: QueueSettings['backoff']): boolean {
  return timeLeft(stored, deadline) <= longestBackoff(backoff, stored.attempt) * (1 - backoff.jitter)
}
