import type { Task, TaskStatus } from '../../types/index.ts'
import { matcherOf, MAX_TEXT, statusesOf, type Place, type Query } from './query.ts'
import type { Counts, KindCount, Sort } from './wire.ts'

/** How many kinds a list has at most. An app may have a kind for each task, but a frame must stay small. */
const MAX_KINDS = 100

const ranks: Record<TaskStatus, number> = { running: 0, cancelling: 0, deferred: 1, completed: 2, failed: 2, cancelled: 2 }

/** The two numbers by which a list is sorted, ascending. The second tells tasks apart. */
const orders: Record<Sort, { major: (task: Task) => number, minor: (task: Task) => number }> = {
  newest: { major: () => 0, minor: task => -task.id },
  oldest: { major: () => 0, minor: task => task.id },
  running: { major: task => ranks[task.status], minor: task => ranks[task.status] === 0 ? task.id : -task.id },
  settled: { major: task => -(task.settledAt ?? 0), minor: task => -task.id }
}

interface Placed extends Place { task: Task }

function compare (a: Place, b: Place): number {
  return a.major - b.major || a.minor - b.minor
}

/** Keeps the tasks that come first in a sort order. They may be offered in any order. */
class Firsts {
  readonly #size: number
  readonly #placed: Placed[] = []
  /** Tasks after this place are not kept. */
  #last: Place = { major: Infinity, minor: Infinity }

  constructor (size: number) {
    this.#size = size
  }

  offer (task: Task, major: number, minor: number): void {
    const { major: lastMajor, minor: lastMinor } = this.#last
    if (major > lastMajor || (major === lastMajor && minor > lastMinor)) return
    this.#placed.push({ task, major, minor })
    if (this.#placed.length > 2 * this.#size) this.#shrink()
  }

  /** Returns the first tasks, sorted. */
  close (): Placed[] {
    this.#shrink()
    return this.#placed
  }

  #shrink (): void {
    this.#placed.sort(compare)
    if (this.#placed.length < this.#size) return
    this.#placed.length = this.#size
    this.#last = this.#placed.at(-1)!
  }
}

/** A page of a list. */
export interface Page {
  tasks: Task[]
  /** The next page begins after this place. Undefined if there is no next page. */
  next: Place | undefined
  /** The previous page begins after this place. Null if it is the first page, undefined if there is none. */
  previous: Place | null | undefined
  /** How many tasks match on all pages, and how many of them come before this one. */
  total: number
  position: number
}

/** Finds the tasks of one page. */
class Window {
  readonly #query: Query
  readonly #statuses: ReadonlySet<TaskStatus> | undefined
  readonly #isFound: ReturnType<typeof matcherOf>
  readonly #firsts: Firsts
  /** The tasks before the page, the nearest first. */
  readonly #before: Firsts
  #total = 0
  #position = 0

  constructor (query: Query) {
    this.#query = query
    this.#statuses = query.status === undefined ? undefined : new Set(statusesOf(query.status))
    this.#isFound = matcherOf(query.search)
    this.#firsts = new Firsts(query.limit + 1)
    this.#before = new Firsts(query.limit + 1)
  }

  offer (task: Task): void {
    if (!this.#matches(task)) return
    this.#total++
    const { sort, after } = this.#query
    const major = orders[sort].major(task)
    const minor = orders[sort].minor(task)
    if (after === undefined || major > after.major || (major === after.major && minor > after.minor)) {
      this.#firsts.offer(task, major, minor)
    } else {
      this.#position++
      this.#before.offer(task, -major, -minor)
    }
  }

  close (): Page {
    const { limit } = this.#query
    const firsts = this.#firsts.close()
    return {
      tasks: firsts.slice(0, limit).map(({ task }) => task),
      next: firsts.length > limit ? firsts[limit - 1] : undefined,
      previous: this.#previous(),
      total: this.#total,
      position: this.#position
    }
  }

  #previous (): Place | null | undefined {
    const { limit } = this.#query
    if (this.#position === 0) return undefined
    const start = this.#before.close()[limit]
    return start === undefined ? null : { major: -start.major, minor: -start.minor }
  }

  #matches (task: Task): boolean {
    const { kind, name } = this.#query
    if (this.#statuses?.has(task.status) === false) return false
    if (kind !== undefined && task.kind !== kind) return false
    if (name !== undefined && task.name?.startsWith(name) !== true) return false
    return this.#isFound === undefined || this.#isFound(task)
  }
}

export function noCounts (): Counts {
  return { deferred: 0, running: 0, cancelling: 0, completed: 0, failed: 0, cancelled: 0 }
}

/** What a list says about all tasks, whatever its query. */
export interface Overview {
  counts: Counts
  kinds: KindCount[]
  lastFailedAt: number | null
}

/** Counts the tasks in one pass. */
export function takeOverview (tasks: readonly Task[]): Overview {
  const counts = noCounts()
  const kinds = new Map<string, KindCount>()
  let lastFailedAt = 0
  for (const task of tasks) {
    const { kind, status } = task
    counts[status]++
    if (status === 'failed') lastFailedAt = Math.max(lastFailedAt, task.settledAt!)
    if (kind === undefined) continue
    const known = kinds.get(kind)
    if (known !== undefined) known.count++
    else if (kind.length <= MAX_TEXT) kinds.set(kind, { kind, count: 1 })
  }
  return {
    counts,
    kinds: [...kinds.values()].sort((a, b) => b.count - a.count).slice(0, MAX_KINDS),
    lastFailedAt: lastFailedAt || null
  }
}

/** Returns the page of each query. One pass over the tasks serves all queries. */
export function takePages (tasks: readonly Task[], queries: readonly Query[]): Page[] {
  const windows = queries.map(query => new Window(query))
  // The newest tasks are at the end. If the pass begins there, a window is soon full, and each further task costs one comparison.
  for (let i = tasks.length - 1; i >= 0; i--) {
    for (const window of windows) window.offer(tasks[i]!)
  }
  return windows.map(window => window.close())
}

/** The tasks that match a filter. */
export function select (tasks: readonly Task[], filter: Pick<Query, 'status' | 'kind' | 'name' | 'search'>): Task[] {
  const query: Query = { ...filter, sort: 'oldest', limit: tasks.length, after: undefined }
  return takePages(tasks, [query])[0]!.tasks
}
