import type { FastifyRequest } from 'fastify'
import type { Task } from '../../types/index.ts'
import type { FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import type { TaskRegistry } from '../task-registry.ts'
import type { Authority } from './authority.ts'
import { instanceOf, numberIn, toId } from './ids.ts'
import { shortRow, wholeRow } from './row.ts'
import { takeSnapshot, type Query, type Snapshot } from './snapshot.ts'
import type { Counts } from './wire.ts'

/** Who looks, and at what. */
export interface View {
  readonly request: FastifyRequest
  readonly query: Query
}

/** The tasks of this process as the dashboard tells them: to whom they may be shown, in JSON. */
export class TaskLists {
  readonly instance: string
  readonly #tasks: TaskRegistry
  readonly #authority: Authority
  readonly #serialize: (task: Task) => object

  constructor (tasks: TaskRegistry, authority: Authority, serialize: FastifyTasksDashboardOptions['serialize']) {
    this.instance = instanceOf(tasks)
    this.#tasks = tasks
    this.#authority = authority
    this.#serialize = serialize ?? (task => task.toJSON())
  }

  /** The task of an id, if there is one that may be seen. */
  async find (request: FastifyRequest, id: string): Promise<Task | undefined> {
    const number = numberIn(this.instance, id)
    if (number === undefined) return undefined
    for (const task of this.#tasks.walk()) {
      if (task.id === number) return await this.#authority.may(request, 'view', task) ? task : undefined
    }
    return undefined
  }

  async counts (request: FastifyRequest): Promise<Counts> {
    if (this.#authority.isOpen) return this.#tasks.counts
    return takeSnapshot(await this.#visible(request), []).counts
  }

  /** The settled tasks that may be seen. */
  async settled (request: FastifyRequest): Promise<Task[]> {
    return await this.#authority.filter(request, 'view', this.#tasks.walk().filter(task => task.settled))
  }

  /** Everything of a task. */
  taskJson (task: Task): string {
    return wholeRow(this.#state(task))
  }

  /** The list for each view, or why there is none. Where everyone may see everything, the tasks are gone through once for all. */
  async listsJson (views: readonly View[]): Promise<PromiseSettledResult<string>[]> {
    if (this.#authority.isOpen) {
      const snapshot = takeSnapshot(this.#tasks.walk(), views.map(view => view.query))
      const rows = new Map<Task, string>()
      return views.map(({ query }, i) => ({ status: 'fulfilled', value: this.#listJson(snapshot, query, snapshot.windows[i]!, rows) }))
    }
    const lists = []
    for (const view of views) lists.push(...await Promise.allSettled([this.listJson(view)]))
    return lists
  }

  async listJson ({ request, query }: View): Promise<string> {
    const snapshot = takeSnapshot(await this.#visible(request), [query])
    return this.#listJson(snapshot, query, snapshot.windows[0]!, new Map())
  }

  async #visible (request: FastifyRequest): Promise<Task[]> {
    return await this.#authority.filter(request, 'view', this.#tasks.walk())
  }

  #listJson ({ counts, kinds }: Snapshot, { limit }: Query, tasks: Task[], rows: Map<Task, string>): string {
    const shown = tasks.slice(0, limit)
    const cursor = tasks.length > limit ? toId(this.instance, shown.at(-1)!.id) : null
    const list = shown.map(task => {
      let row = rows.get(task)
      if (row === undefined) rows.set(task, row = shortRow(this.#state(task)))
      return row
    })
    return `{"tasks":[${list.join()}],${JSON.stringify({ counts, kinds, cursor }).slice(1)}`
  }

  /** What is shown of a task. Where `serialize` throws, that is next to nothing. */
  #state (task: Task): object {
    const shown = { id: toId(this.instance, task.id), status: task.status }
    try {
      return { ...this.#serialize(task), ...shown }
    } catch (error) {
      task.log.error({ err: error }, 'serialize of the dashboard threw')
      return shown
    }
  }
}
