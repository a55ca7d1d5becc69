import type { FastifyRequest } from 'fastify'
import type { Task } from '../../types/index.ts'
import type { TaskRegistry } from '../core/task-registry.ts'
import type { Authority } from './authority.ts'
import { instanceOf, numberIn, toId } from './ids.ts'
import { shortRow, wholeRow } from './row.ts'
import type { Show } from './shown.ts'
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
  readonly #show: Show

  constructor (tasks: TaskRegistry, authority: Authority, show: Show) {
    this.instance = instanceOf(tasks)
    this.#tasks = tasks
    this.#authority = authority
    this.#show = show
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

  /** The list of each view. Where everyone may see everything, the tasks are gone through once for all of them. */
  listsJson (views: readonly View[]): Promise<string>[] {
    if (!this.#authority.isOpen) return views.map(view => this.listJson(view))
    const queries = new Map(views.map(({ query }) => [JSON.stringify(query), query]))
    const snapshot = takeSnapshot(this.#tasks.walk(), [...queries.values()])
    const rows = new Map<Task, string>()
    const lists = new Map(Array.from(queries, ([key, query], i) => [key, this.#listJson(snapshot, query, snapshot.windows[i]!, rows)]))
    return views.map(async ({ query }) => lists.get(JSON.stringify(query))!)
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

  #state (task: Task): object {
    const { id, status } = task
    return { ...this.#show(task), id: toId(this.instance, id), status }
  }
}
