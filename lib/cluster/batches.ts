import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TaskStatus } from '../../types/index.ts'
import type { Queue, StoredTask } from './engine.ts'

/** How many tasks are read at a time, and for how many of them `act` runs at a time. */
const PAGE = 200
const AT_ONCE = 20

/**
 * What became of a task. `done`: it has none of the statuses any more, and counts. `left`: it has none of them any more, and does not
 * count. `stayed`: it still has one of them.
 */
export type Fate = 'done' | 'left' | 'stayed'

/**
 * Calls `act` for every task of these statuses, until `limit` of them are done. Returns how many are done. Each step is short on the
 * server. If it is interrupted, it may be called again.
 */
export async function inBatches (queue: Queue, statuses: ReadonlySet<TaskStatus>, limit: number, act: (task: StoredTask) => Promise<Fate>): Promise<number> {
  let done = 0
  let passed = 0 // tasks that have stayed in these statuses
  const seen = new Set<string>()
  const keyOf = ({ name, id }: StoredTask) => `${id}:${name}`
  while (done < limit) {
    const page = await queue.list(statuses, passed, Math.min(PAGE, limit - done))
    if (page.length === 0) return done
    const fresh = page.filter(task => !seen.has(keyOf(task)))
    passed += page.length - fresh.length
    for (let i = 0; i < fresh.length; i += AT_ONCE) {
      const fates = await Promise.all(fresh.slice(i, i + AT_ONCE).map(act))
      passed += fates.filter(fate => fate === 'stayed').length
      done += fates.filter(fate => fate === 'done').length
    }
    for (const task of fresh) seen.add(keyOf(task))
    await nextTurn()
  }
  return done
}

/** One status, or several, as a set. */
export function setOf<Status extends TaskStatus> (status: Status | readonly Status[]): ReadonlySet<Status> {
  return new Set(typeof status === 'string' ? [status] : status)
}
