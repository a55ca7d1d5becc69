import type { Task, TaskStatus } from '../../types/index.ts'
import { MAX_TEXT } from './query.ts'
import type { Counts, KindCount } from './wire.ts'

/** What a list shows: at most `limit` tasks older than the task number `before` that match. */
export interface Query {
  status: string | undefined
  kind: string | undefined
  /** The start of a name. */
  name: string | undefined
  limit: number
  before: number
}

/** Kinds told apart, at most: who makes up a kind for every task must not blow up every frame. */
const MAX_KINDS = 100

/** The newest tasks that match a query, and whether there are older ones. */
class Window {
  readonly #query: Query
  readonly #tasks: Task[] = []
  /** Tasks up to this number do not get in. */
  #oldest = 0

  constructor (query: Query) {
    this.#query = query
  }

  offer (task: Task): void {
    const { status, kind, name, limit, before } = this.#query
    if (task.id <= this.#oldest || task.id >= before) return
    if (status !== undefined && task.status !== status) return
    if (kind !== undefined && task.kind !== kind) return
    if (name !== undefined && task.name?.startsWith(name) !== true) return
    this.#tasks.push(task)
    if (this.#tasks.length > 2 * limit) this.#shrink()
  }

  /** The tasks, the newest first, and one more if there are older ones. */
  close (): Task[] {
    this.#shrink()
    return this.#tasks
  }

  #shrink (): void {
    this.#tasks.sort((a, b) => b.id - a.id)
    if (this.#tasks.length <= this.#query.limit) return
    this.#tasks.length = this.#query.limit + 1
    this.#oldest = this.#tasks.at(-1)!.id
  }
}

export function noCounts (): Counts {
  return { deferred: 0, running: 0, cancelling: 0, completed: 0, failed: 0, cancelled: 0 } satisfies Record<TaskStatus, number>
}

export interface Snapshot {
  counts: Counts
  kinds: KindCount[]
  /** For each query its tasks, the newest first, and one more if there are older ones. */
  windows: Task[][]
}

/** Goes through the tasks once, for any number of queries. */
export function takeSnapshot (tasks: readonly Task[], queries: readonly Query[]): Snapshot {
  const counts = noCounts()
  const kinds = new Map<string, KindCount>()
  const windows = queries.map(query => new Window(query))
  // The newest are the last, mostly: from there a window is full at once, and what follows costs a comparison.
  for (let i = tasks.length - 1; i >= 0; i--) {
    const task = tasks[i]!
    counts[task.status]++
    const { kind } = task
    const known = kind === undefined ? undefined : kinds.get(kind)
    if (known !== undefined) known.count++
    else if (kind !== undefined && kind.length <= MAX_TEXT) kinds.set(kind, { kind, count: 1 })
    for (const window of windows) window.offer(task)
  }
  return {
    counts,
    kinds: [...kinds.values()].sort((a, b) => b.count - a.count).slice(0, MAX_KINDS),
    windows: windows.map(window => window.close())
  }
}
