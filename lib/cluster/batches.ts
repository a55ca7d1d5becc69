import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TaskStatus } from '../../types/index.ts'
import { checkAnswer } from '../core/options.ts'
import { ClusterTask, type TaskPlace } from './cluster-task.ts'
import type { Queue, StoredTask } from './engine.ts'

/** How many tasks are read at a time, if all of them are chosen, and for how many of them `act` runs at a time. */
const PAGE = 200
const AT_ONCE = 20

/**
 * What became of a task. `done`: it has none of the statuses any more, and counts. `left`: it has none of them any more, and does not
 * count. `stayed`: it still has one of them.
 */
export type Fate = 'done' | 'left' | 'stayed'

/** Which tasks: those of these statuses for which `isChosen` is true, if it is there. It is called once for each in a call of `inBatches`. */
export interface Choice {
  readonly statuses: ReadonlySet<TaskStatus>
  readonly isChosen?: ((task: StoredTask) => boolean) | undefined
}

/**
 * Calls `act` for every task that is chosen, until `limit` of them are done. Returns how many are done. Each step is short on the
 * server. If it is interrupted, it may be called again.
 */
export async function inBatches (queue: Queue, { statuses, isChosen }: Choice, limit: number, act: (task: StoredTask) => Promise<Fate>): Promise<number> {
  const began = Date.now()
  let done = 0
  let passed = 0 // tasks that have stayed in these statuses
  let again = false // this time there were tasks that were not seen before
  const seen = new Set<string>()
  const keyOf = ({ name, id }: StoredTask) => `${id}:${name}`
  while (done < limit) {
    // A page costs as much as all pages before it: larger and larger ones cost little more than one of all tasks.
    const page = await queue.list(statuses, passed, isChosen === undefined ? Math.min(PAGE, limit - done) : Math.max(PAGE, passed))
    if (page.length === 0) {
      if (isChosen === undefined || passed === 0 || !again) return done
      // Tasks that others have started or dropped meanwhile have moved those after them to earlier pages.
      passed = 0
      again = false
      continue
    }
    const fresh = page.filter(task => !seen.has(keyOf(task)))
    again ||= fresh.some(({ createdAt }) => createdAt <= began)
    const chosen = isChosen === undefined ? fresh : fresh.filter(isChosen)
    passed += page.length - chosen.length
    for (let i = 0, size; i < chosen.length && done < limit; i += size) {
      size = Math.min(AT_ONCE, limit - done)
      const fates = await Promise.all(chosen.slice(i, i + size).map(act))
      passed += fates.filter(fate => fate === 'stayed').length
      done += fates.filter(fate => fate === 'done').length
    }
    for (const task of fresh) seen.add(keyOf(task))
    await nextTurn()
  }
  return done
}

/** The option `which` of a verb, for tasks as they are stored. It gets each as its own `ClusterTask`. Undefined if there is none. */
export function chosenBy (place: TaskPlace, which: ((task: ClusterTask) => boolean) | undefined, verb: string): Choice['isChosen'] {
  return which === undefined ? undefined : task => checkAnswer(which(new ClusterTask(place, task)), verb)
}

/** One status, or several, as a set. */
export function setOf<Status extends TaskStatus> (status: Status | readonly Status[]): ReadonlySet<Status> {
  return new Set(typeof status === 'string' ? [status] : status)
}
