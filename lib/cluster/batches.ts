import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TaskStatus } from '../../types/index.ts'
import type { Queue, StoredTask } from './engine.ts'

/** How many tasks are read at a time, and how many of them something is done to at a time. */
const PAGE = 200
const AT_ONCE = 20

/**
 * Does something to every task of these statuses, to `limit` of them at most. `act` returns whether it has done so; a task of which
 * it says yes must leave these statuses. Returns of how many. Every step is short on the server, and it may be called again.
 */
export async function inBatches (queue: Queue, statuses: ReadonlySet<TaskStatus>, limit: number, act: (task: StoredTask) => Promise<boolean>): Promise<number> {
  let done = 0
  let passed = 0 // tasks that have stayed in these statuses
  const seen = new Set<string>()
  const keyOf = ({ name, id }: StoredTask) => `${id}:${name}`
  while (done < limit) {
    const page = await queue.list(statuses, passed, Math.min(PAGE, limit - done))
    if (page.length === 0) return done
    const fresh = page.filter(task => !seen.has(keyOf(task)))
    let left = page.length - fresh.length
    for (let i = 0; i < fresh.length; i += AT_ONCE) {
      const results = await Promise.all(fresh.slice(i, i + AT_ONCE).map(act))
      left += results.filter(result => !result).length
      done += results.filter(Boolean).length
    }
    for (const task of fresh) seen.add(keyOf(task))
    passed += left
    await nextTurn()
  }
  return done
}
