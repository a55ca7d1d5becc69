import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import type { Authority } from './authority.ts'
import { kindOf, kindsOf, type ClusterTask, type Kind } from './cluster.ts'
import { readKind, toErrorState, type KindState } from './fleet.ts'
import { fleetCountQuery, fleetQuery, fleetStatusesOf, fleetTaskQuery, matcherOf, statusesOf, type FleetQuerystring, type FleetTaskQuerystring } from './query.ts'
import type { Recent } from './recent.ts'
import { sendFresh } from './replies.ts'
import { shortRow, wholeRow } from './row.ts'
import type { Show } from './shown.ts'
import type { Action, ErrorState, FleetCount, FleetCountQuery, FleetList } from './wire.ts'

/** How many tasks one request reads, or a little more, to find those that match. */
const MAX_SCAN = 2000
/** How many tasks are read at a time. */
const PAGE = 200
/** How many tasks of each kind are read at a time for a search in all kinds. */
const SHARE = 25
/** The largest offset of a list of all kinds. For a page, all pages before it are read from each kind, too. */
const MAX_OFFSET = 1000

/** Tasks of the fleet that were read for a page. */
interface Found {
  tasks: ClusterTask[]
  offset: number | null
  scanned: number
  error: ErrorState | null
}

/** Makes the JSON of tasks of the fleet: of a list, and of one task. */
export class FleetTasks {
  readonly #app: FastifyInstance
  readonly #authority: Authority
  readonly #show: Show
  readonly #recent: Recent

  constructor (app: FastifyInstance, authority: Authority, show: Show, recent: Recent) {
    this.#app = app
    this.#authority = authority
    this.#show = show
    this.#recent = recent
  }

  async listJson (request: FastifyRequest, query: FleetQuerystring): Promise<string> {
    const kinds = query.kind === undefined ? kindsOf(this.#app) : [kindOf(this.#app, query.kind)]
    const { tasks, offset, scanned, error } = await this.#recent.get(`tasks ${JSON.stringify(query)}`, () => find(kinds, query))
    const { allowed, pending } = await this.#authority.filterSoon(request, 'view', tasks.toReversed())
    const rows = await this.rowsJson(request, allowed.toReversed())
    const rest: Omit<FleetList, 'tasks'> = { offset, total: await this.#total(request, kinds, query), scanned, error, pending }
    return `{"tasks":[${rows.join()}],${JSON.stringify(rest).slice(1)}`
  }

  /** The JSON of tasks in a list. */
  async rowsJson (request: FastifyRequest, tasks: ClusterTask[]): Promise<string[]> {
    const rows = await Promise.all((['cancel', 'retry', 'promote'] as const).map(async action => {
      const possible = tasks.filter(task => this.#authority.possible(actionsOf(task)).includes(action))
      return new Set((await this.#authority.filterSoon(request, action, possible)).allowed)
    }))
    const [cancel, retry, promote] = rows
    return tasks.map(task => {
      const can: Action[] = []
      if (cancel!.has(task)) can.push('cancel')
      if (retry!.has(task)) can.push('retry')
      if (promote!.has(task)) can.push('promote')
      return shortRow({ ...this.#state(task, can), attempts: undefined })
    })
  }

  /** The JSON of one task. Nothing in it is cut. */
  async taskJson (request: FastifyRequest, task: ClusterTask): Promise<string> {
    return wholeRow(this.#state(task, await this.#authority.actions(request, task, [...actionsOf(task), 'inspect'])))
  }

  /** How many tasks match on all pages. Null if it does not follow from the counts of the kinds, or if the caller may not view a kind as a whole. */
  async #total (request: FastifyRequest, kinds: Kind[], { status, search }: FleetQuerystring): Promise<number | null> {
    if (search !== undefined || status === 'cancelling' || status === 'cancelled') return null
    const visible = await this.#authority.filter(request, 'view', kinds.map(({ name }) => ({ kind: name })))
    if (visible.length < kinds.length) return null
    const states = await Promise.all(kinds.map(kind => readKind(kind, this.#recent)))
    return sum(states.map(state => countOf(state, fleetStatusesOf(status))))
  }

  #state (task: ClusterTask, can: Action[]): object {
    const { id, kind, name, status } = task
    return { ...this.#show(task), id, kind, name, status, can }
  }
}

/** Adds the routes that read tasks of the fleet. */
export function routeFleetTasks (app: FastifyInstance, authority: Authority, fleetTasks: FleetTasks): void {
  app.get<{ Querystring: FleetQuerystring }>('/kinds/tasks', { schema: { querystring: fleetQuery } }, async (request, reply) => {
    return sendFresh(request, reply, await fleetTasks.listJson(request, request.query))
  })

  app.get<{ Querystring: FleetTaskQuerystring }>('/kinds/task', { schema: { querystring: fleetTaskQuery } }, async (request, reply) => {
    const task = await findFleetTask(app, authority, request)
    return sendFresh(request, reply, await fleetTasks.taskJson(request, task))
  })

  app.get<{ Querystring: FleetCountQuery }>('/kinds/count', { schema: { querystring: fleetCountQuery } }, async (request, reply) => {
    const { kind, status, search } = request.query
    await authority.demand(request, 'view', { kind })
    return sendFresh(request, reply, JSON.stringify(await countTasks(kindOf(app, kind), statusesOf(status), search)))
  })
}

/** The task that a query names. Throws `FST_ERR_TASK_NOT_FOUND` if there is none, or none that may be viewed. */
export async function findFleetTask (
  app: FastifyInstance, authority: Authority, request: FastifyRequest<{ Querystring: FleetTaskQuerystring }>
): Promise<ClusterTask> {
  const { kind, name, id } = request.query
  const task = await kindOf(app, kind).getTask(name, { optional: true })
  const found = task !== undefined && (id === undefined || task.id === id) && await authority.may(request, 'view', task)
  if (!found) throw new FST_ERR_TASK_NOT_FOUND(name)
  return task
}

/** What can be done with a task in its present state. */
function actionsOf (task: ClusterTask): Action[] {
  if (task.settled) return ['retry', 'purge']
  if (task.status === 'cancelling') return []
  return task.status === 'deferred' && task.startsAt !== undefined ? ['cancel', 'promote'] : ['cancel']
}

async function find (kinds: Kind[], query: FleetQuerystring): Promise<Found> {
  const statuses = fleetStatusesOf(query.status)
  if (query.search !== undefined) return await search(kinds, statuses, query)
  return query.kind === undefined ? await listAll(kinds, statuses, query) : await listOne(kinds[0]!, statuses, query)
}

async function listOne (kind: Kind, status: readonly TaskStatus[], { offset, limit }: FleetQuerystring): Promise<Found> {
  const tasks = await kind.tasks({ status, offset, limit: limit + 1 })
  return { tasks: tasks.slice(0, limit), offset: tasks.length > limit ? offset + limit : null, scanned: tasks.length, error: null }
}

/** A page of the tasks of all kinds, in the order in which each kind lists its own. */
async function listAll (kinds: Kind[], status: readonly TaskStatus[], { offset, limit }: FleetQuerystring): Promise<Found> {
  const begin = Math.min(offset, MAX_OFFSET)
  const end = begin + limit
  const { tasks, error } = await readAll(kinds, { status, offset: 0, limit: end + 1 })
  tasks.sort(compareTasks)
  return {
    tasks: tasks.slice(begin, end),
    offset: tasks.length > end && end <= MAX_OFFSET ? end : null,
    scanned: tasks.length,
    error
  }
}

/** Reads tasks until enough names match the search, or until `MAX_SCAN` tasks are read. */
async function search (kinds: Kind[], status: readonly TaskStatus[], { kind, search, offset, limit }: FleetQuerystring): Promise<Found> {
  const isFound = matcherOf(search)!
  const size = kind === undefined ? SHARE : PAGE
  const found: Found = { tasks: [], offset, scanned: 0, error: null }
  for (let begin = offset; found.tasks.length < limit && found.scanned < MAX_SCAN; begin += size) {
    const page = { status, offset: begin, limit: size }
    const { tasks, error, isEnd } = kind === undefined ? await readAll(kinds, page) : await readOne(kinds[0]!, page)
    found.error ??= error
    found.scanned += tasks.length
    found.offset = isEnd ? null : begin + size
    const matching = tasks.filter(isFound)
    // A page of one kind may end anywhere. Pages of all kinds end together.
    const taken = kind === undefined ? matching : matching.slice(0, limit - found.tasks.length)
    found.tasks.push(...taken)
    if (taken.length < matching.length) found.offset = begin + tasks.indexOf(taken.at(-1)!) + 1
    else if (isEnd) break
  }
  found.tasks.sort(compareTasks)
  return found
}

type PageOptions = Parameters<Kind['tasks']>[0]

interface ReadTasks {
  tasks: ClusterTask[]
  /** True if no kind has more tasks. */
  isEnd: boolean
  error: ErrorState | null
}

async function readOne (kind: Kind, page: PageOptions): Promise<ReadTasks> {
  const tasks = await kind.tasks(page)
  return { tasks, isEnd: tasks.length < page.limit, error: null }
}

/** Reads the same page of each kind. A kind that cannot be read is left out. */
async function readAll (kinds: Kind[], page: PageOptions): Promise<ReadTasks> {
  const read = await Promise.all(kinds.map(kind => readOne(kind, page).catch((error: unknown): ReadTasks => {
    return { tasks: [], isEnd: true, error: toErrorState(error) }
  })))
  return {
    tasks: read.flatMap(({ tasks }) => tasks),
    isEnd: read.every(({ isEnd }) => isEnd),
    error: read.find(({ error }) => error !== null)?.error ?? null
  }
}

const ranks: Record<TaskStatus, number> = { running: 0, cancelling: 0, deferred: 1, failed: 2, cancelled: 2, completed: 3 }

/** Sorts as a kind does: running, deferred (the next to start first), failed and cancelled, completed (the latest first). */
function compareTasks (a: ClusterTask, b: ClusterTask): number {
  const byStatus = ranks[a.status] - ranks[b.status]
  if (byStatus !== 0) return byStatus
  return a.settled ? b.settledAt! - a.settledAt! : timeOf(a) - timeOf(b)
}

/** Of a task that has not settled: when it started or may start, or else when it was added. */
function timeOf ({ startedAt, startsAt, createdAt, status }: ClusterTask): number {
  return (status === 'deferred' ? startsAt : startedAt) ?? createdAt
}

async function countTasks (kind: Kind, status: readonly TaskStatus[], search: string | undefined): Promise<FleetCount> {
  const isFound = matcherOf(search)
  let count = 0
  for (let read = 0; read < MAX_SCAN; read += PAGE) {
    const tasks = await kind.tasks({ status, offset: read, limit: PAGE })
    count += isFound === undefined ? tasks.length : tasks.filter(isFound).length
    if (tasks.length < PAGE) return { count, exact: true }
  }
  return { count, exact: false }
}

/** How many tasks with these statuses a kind has. Null if its counts could not be read. */
function countOf ({ counts }: KindState, statuses: readonly TaskStatus[]): number | null {
  if (counts === null) return null
  return sum(statuses.map(status => status in counts ? counts[status as keyof typeof counts] : 0))
}

function sum (numbers: (number | null)[]): number | null {
  return numbers.reduce((total, number) => total === null || number === null ? null : total + number, 0)
}
