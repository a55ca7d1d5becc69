import type { JobState } from 'bullmq'
import type { TaskStatus } from '../../../types/index.ts'
import type { StoredTask } from '../engine.ts'
import type { TaskJob } from './job.ts'
import type { AnyQueue } from './store.ts'

/** BullMQ's states in the order in which tasks are listed, the statuses of the tasks in each, and which end comes first. */
const states: readonly { state: JobState, statuses: readonly TaskStatus[], oldestFirst: boolean }[] = [
  { state: 'active', statuses: ['running', 'cancelling'], oldestFirst: true },
  { state: 'waiting', statuses: ['deferred', 'cancelled'], oldestFirst: true },
  { state: 'prioritized', statuses: ['deferred'], oldestFirst: true },
  { state: 'delayed', statuses: ['deferred'], oldestFirst: true },
  { state: 'failed', statuses: ['failed', 'cancelled'], oldestFirst: false },
  { state: 'completed', statuses: ['completed'], oldestFirst: false }
]

/**
 * A page of a queue's tasks. Nothing is counted: PostgreSQL counts as slowly as there are tasks. So the cost of a page
 * depends on what comes before it, not on what comes after.
 */
export async function readPage (
  queue: AnyQueue,
  tell: (job: TaskJob, state: JobState) => Promise<StoredTask>,
  wanted: ReadonlySet<TaskStatus>, offset: number, limit: number
): Promise<StoredTask[]> {
  const page = new Map<string, StoredTask>() // by name: a task that moves on meanwhile may be met twice
  let skip = offset
  for (const { state, statuses, oldestFirst } of states) {
    if (!statuses.some(status => wanted.has(status))) continue
    const all = statuses.every(status => wanted.has(status))
    for (let start = 0; page.size < limit;) {
      const size = skip + limit - page.size
      const ids = await queue.getRanges([state], start, start + size - 1, oldestFirst)
      start += size
      const skipped = all ? Math.min(skip, ids.length) : 0
      skip -= skipped
      const jobs = await Promise.all(ids.slice(skipped).map(id => queue.getJob(id) as Promise<TaskJob | undefined>))
      const tasks = await Promise.all(jobs.filter(job => job !== undefined).map(job => tell(job, state)))
      const matching = tasks.filter(task => wanted.has(task.status))
      for (const task of matching.slice(skip)) page.set(task.name, task)
      skip = Math.max(0, skip - matching.length)
      if (ids.length < size) break
      // Those that were cancelled before they started are in front of what waits.
      if (state === 'waiting' && !wanted.has('deferred') && matching.length === 0) break
    }
  }
  return [...page.values()].slice(0, limit)
}
