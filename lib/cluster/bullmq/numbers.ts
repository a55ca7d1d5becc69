// What BullMQ counts and measures of a queue.
import type { KindWorker, SettledCounts } from '../../../types/cluster.ts'
import { readReason, readWorker, type TaskJob } from './job.ts'
import type { AnyQueue, Store, StoredMetrics } from './store.ts'

const MINUTE = 60_000
const MINUTES = 60

/** How many jobs settled in each of the last 60 minutes, the oldest first. */
export async function readHistory (queue: AnyQueue, store: Store): Promise<SettledCounts[]> {
  const [completed, failed] = await Promise.all([store.metricsOf(queue, 'completed'), store.metricsOf(queue, 'failed')])
  const present = Math.floor(Date.now() / MINUTE)
  return Array.from({ length: MINUTES }, (_, i) => {
    const minute = present - MINUTES + 1 + i
    return { time: minute * MINUTE, completed: countOf(completed, minute), failed: countOf(failed, minute) }
  })
}

function countOf ({ count, lastAt, countBefore, minutes }: StoredMetrics, minute: number): number {
  const last = Math.floor(lastAt / MINUTE)
  if (minute === last) return count - countBefore
  return minute < last ? minutes[last - 1 - minute] ?? 0 : 0
}

/** How many milliseconds the next job without a priority has waited, or the next one with a priority, whichever has waited longer. */
export async function readLatency (queue: AnyQueue): Promise<number> {
  const ids = await Promise.all([queue.getRanges(['waiting'], 0, 0, true), queue.getRanges(['prioritized'], 0, 0, true)])
  const jobs = await Promise.all(ids.flat().map(id => queue.getJob(id) as Promise<TaskJob | undefined>))
  const waited = jobs.filter(job => job !== undefined && job.data.cancelled === undefined).map(job => Date.now() - readySince(job!))
  return Math.max(0, ...waited)
}

/** Since when a job may start, in ms since the epoch. */
function readySince ({ timestamp, delay, data, failedReason }: TaskJob): number {
  return Math.max(timestamp + (delay > 0 ? delay : 0), data.retried?.at ?? 0, readReason(failedReason)?.at ?? 0)
}

/** The processes that work a queue, read from the connections that the server lists. */
export async function readWorkers (queue: AnyQueue): Promise<KindWorker[]> {
  const clients = await queue.getWorkers()
  const workers = new Map<string, KindWorker>()
  for (const { rawname = '', age } of clients) {
    const name = /:w:(.+)$/s.exec(rawname)?.[1]
    const worker = readWorker(name)
    if (worker === undefined) continue
    workers.set(name!, { ...worker, since: age === undefined ? undefined : Date.now() - Number(age) * 1000 })
  }
  return [...workers.values()]
}
