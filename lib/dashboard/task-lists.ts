import type { FastifyRequest } from 'fastify'
import type { Task } from '../../types/index.ts'
import type { TaskRegistry } from '../core/task-registry.ts'
import type { Authority } from './authority.ts'
import { Polls, type Costly } from './polls.ts'
import { instanceOf, numberIn, toId } from './ids.ts'
import { select, takeOverview, takePages, type Overview, type Page } from './snapshot.ts'
import { toCursor, type Filter, type Place, type Query } from './query.ts'
import { REST } from './rest.ts'
import { shortRow, wholeRow } from './row.ts'
import type { Show } from './shown.ts'
import type { Action, Counts } from './wire.ts'

/** A request for a list, and its query. */
export interface View {
  readonly request: FastifyRequest
  readonly query: Query
}

/** So many tasks, or fewer, are read anew for each request. */
const FEW = 1000

/** One reading of all tasks. Requests share it for 20 times as long as it took, so that polling takes 5 % of a core at most. */
class Reading {
  readonly tasks: Task[]
  readonly lists = new Map<string, string>()
  #overview: Overview | undefined = undefined
  #freshUntil: number

  constructor (walk: () => Task[]) {
    const began = performance.now()
    this.tasks = walk()
    this.#freshUntil = performance.now()
    this.spend(began)
  }

  get isFresh () { return this.tasks.length > FEW && performance.now() < this.#freshUntil }

  get overview () { return (this.#overview ??= takeOverview(this.tasks)) }

  /** Lets the reading be used for longer, since work on it has taken the time since `began`. */
  spend (began: number): void {
    this.#freshUntil += REST * (performance.now() - began)
  }
}

/** Makes the JSON of the tasks of this process. Each client gets only the tasks that it may view. */
export class TaskLists {
  readonly instance: string
  readonly #tasks: TaskRegistry
  readonly #authority: Authority
  readonly #show: Show
  /** The last replies to each client, if `authorize` decides what it may view. */
  readonly #polls = new Polls()
  #reading: Reading | undefined = undefined
  #forget: NodeJS.Timeout | undefined = undefined

  constructor (tasks: TaskRegistry, authority: Authority, show: Show) {
    this.instance = instanceOf(tasks)
    this.#tasks = tasks
    this.#authority = authority
    this.#show = show
  }

  /** Finds a task by its id. Undefined if there is none, or if the client may not view it. */
  async find (request: FastifyRequest, id: string): Promise<Task | undefined> {
    const number = numberIn(this.instance, id)
    if (number === undefined) return undefined
    let { tasks } = this.#read()
    if (number > (tasks.at(-1)?.id ?? 0)) tasks = this.#readAnew().tasks // it may have been added since
    const task = tasks.find(task => task.id === number)
    if (task === undefined || !this.#tasks.has(task)) return undefined
    return await this.#authority.may(request, 'view', task) ? task : undefined
  }

  async counts (request: FastifyRequest): Promise<Counts> {
    if (this.#authority.isOpen) return this.#tasks.counts
    return await this.#poll(request, async reading => {
      const { allowed, took } = await this.#visible(request, reading)
      const began = performance.now()
      const { counts } = takeOverview(allowed)
      return { answer: counts, took: took + performance.now() - began }
    })
  }

  /** The tasks that match a filter: those that the caller may view, and of these, those that the caller may do this with. */
  async matching (request: FastifyRequest, filter: Filter, action: Action): Promise<{ visible: Task[], allowed: Task[] }> {
    const visible = await this.#authority.filter(request, 'view', select(this.#readAnew().tasks, filter))
    return { visible, allowed: await this.#authority.filter(request, action, visible) }
  }

  /** The tasks that failed last, the latest first, and how many have failed. */
  async failures (request: FastifyRequest, limit: number) {
    return await this.#poll(request, async reading => {
      const { allowed, pending, took } = await this.#visible(request, reading)
      const began = performance.now()
      const [page] = takePages(allowed, [{ status: 'failed', sort: 'settled', limit, after: undefined }])
      const { tasks, total } = page!
      const passing = performance.now() - began
      const rows = await this.#rowsJson(request, tasks)
      const failures = tasks.map((task, i) => ({ settledAt: task.settledAt!, json: rows[i]! }))
      return { answer: { failures, total, pending }, took: took + passing }
    })
  }

  /** The JSON of one task. Nothing in it is cut. */
  async taskJson (request: FastifyRequest, task: Task): Promise<string> {
    const possible: Action[] = ['inspect']
    if (!task.settled && task.status !== 'cancelling') possible.push('cancel')
    if (task.settled && task.name !== undefined) possible.push('purge')
    return wholeRow(this.#state(task, await this.#authority.actions(request, task, possible)))
  }

  /** The list of each view. Without `authorize`, one pass over the tasks serves all views. */
  listsJson (views: readonly View[]): Promise<string>[] {
    const reading = this.#readAnew()
    if (this.#authority.isOpen) this.#addLists(reading, views.map(({ query }) => query))
    return views.map(view => this.#listOf(reading, view))
  }

  async listJson (view: View): Promise<string> {
    if (this.#authority.isOpen) return this.#openListOf(this.#read(), view)
    return await this.#poll(view.request, reading => this.#allowedListOf(reading, view))
  }

  /** Drops the reading and the kept replies, since something has changed. */
  changed (): void {
    this.#reading = undefined
    this.#polls.clear()
  }

  /** Makes a reply to a client. If there are many tasks, the client may get its last reply again. */
  async #poll<Answer> (request: FastifyRequest, make: (reading: Reading) => Promise<Costly<Answer>>): Promise<Answer> {
    const answerOf = async () => {
      const began = performance.now()
      const reading = this.#read()
      const walking = performance.now() - began
      const { answer, took } = await make(reading)
      return { answer, took: took + walking }
    }
    if (this.#tasks.size > FEW) return await this.#polls.get(request, answerOf)
    const { answer } = await answerOf()
    return answer
  }

  #read (): Reading {
    return this.#reading?.isFresh === true ? this.#reading : this.#readAnew()
  }

  #readAnew (): Reading {
    this.#reading = new Reading(() => this.#tasks.walk())
    clearTimeout(this.#forget)
    this.#forget = setTimeout(() => { this.#reading = undefined }, 10_000).unref()
    return this.#reading
  }

  async #visible (request: FastifyRequest, { tasks }: Reading) {
    return await this.#authority.filterSoon(request, 'view', tasks)
  }

  async #listOf (reading: Reading, view: View): Promise<string> {
    if (this.#authority.isOpen) return this.#openListOf(reading, view)
    const { answer } = await this.#allowedListOf(reading, view)
    return answer
  }

  #openListOf (reading: Reading, { query }: View): string {
    this.#addLists(reading, [query])
    return reading.lists.get(JSON.stringify(query))!
  }

  async #allowedListOf (reading: Reading, { request, query }: View): Promise<Costly<string>> {
    const { allowed, pending, took } = await this.#visible(request, reading)
    const began = performance.now()
    const page = takePages(allowed, [query])[0]!
    const overview = takeOverview(allowed)
    const passing = performance.now() - began
    return { answer: this.#listJson(overview, page, await this.#rowsJson(request, page.tasks), pending), took: took + passing }
  }

  /** Adds the lists that a reading does not have yet. One pass over its tasks serves all of them. */
  #addLists (reading: Reading, queries: Query[]): void {
    const began = performance.now()
    const missing = new Map(queries.map(query => [JSON.stringify(query), query]))
    for (const key of reading.lists.keys()) missing.delete(key)
    if (missing.size === 0) return
    const pages = takePages(reading.tasks, [...missing.values()])
    const rows = new Map<Task, string>()
    for (const [i, key] of [...missing.keys()].entries()) {
      const page = pages[i]!
      for (const task of page.tasks) if (!rows.has(task)) rows.set(task, shortRow(this.#state(task, this.#possible(task))))
      reading.lists.set(key, this.#listJson(reading.overview, page, page.tasks.map(task => rows.get(task)!), 0))
    }
    reading.spend(began)
  }

  async #rowsJson (request: FastifyRequest, tasks: Task[]): Promise<string[]> {
    const cancellable = tasks.filter(task => this.#possible(task).length > 0)
    const { allowed } = await this.#authority.filterSoon(request, 'cancel', cancellable)
    const can = new Set(allowed)
    return tasks.map(task => shortRow(this.#state(task, can.has(task) ? ['cancel'] : [])))
  }

  #listJson ({ counts, kinds, lastFailedAt }: Overview, { next, previous, total, position }: Page, rows: string[], pending: number): string {
    const cursorOf = (place: Place | null | undefined) => place === null ? '' : place === undefined ? null : toCursor(this.instance, place)
    const rest = { counts, kinds, cursor: cursorOf(next), previous: cursorOf(previous), total, position, lastFailedAt, pending }
    return `{"tasks":[${rows.join()}],${JSON.stringify(rest).slice(1)}`
  }

  /** What can be done with a task from a list. */
  #possible (task: Task): Action[] {
    return this.#authority.possible(task.settled || task.status === 'cancelling' ? [] : ['cancel'])
  }

  #state (task: Task, can: Action[]): object {
    const { id, status } = task
    return { ...this.#show(task), id: toId(this.instance, id), status, can }
  }
}
