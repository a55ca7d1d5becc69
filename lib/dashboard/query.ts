import type { TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_STALE_CURSOR } from './errors.ts'
import { numberIn } from './ids.ts'
import type { Query } from './snapshot.ts'

/** Characters of a kind, or of the start of a name, that can be asked for. */
export const MAX_TEXT = 1024

const statuses: TaskStatus[] = ['deferred', 'running', 'cancelling', 'completed', 'failed', 'cancelled']

// All are texts, read by ourselves: an app may have told its validator to coerce nothing. An empty one asks for nothing.
const status = { type: 'string', enum: ['', ...statuses] }
const text = { type: 'string', maxLength: MAX_TEXT }
const limit = { type: 'string', pattern: '^([1-9][0-9]?|1[0-9]{2}|200)?$' }
const name = { type: 'string', minLength: 1, maxLength: 4096 }
const kind = { type: 'string', minLength: 1, maxLength: MAX_TEXT }

/** The query of a list of this process. */
export const taskQuery = {
  type: 'object',
  properties: { status, kind: text, name: text, limit, cursor: { type: 'string', maxLength: 64 } }
}

/** The query of a purge: it has to say what it purges. */
export const purgeQuery = {
  type: 'object',
  required: ['status'],
  properties: { status: { type: 'string', enum: ['settled'] } }
}

/** The query for a kind of the fleet, for a page of its tasks, for one of them, and for the purge of those that have settled. */
export const kindQuery = { type: 'object', required: ['kind'], properties: { kind } }
export const kindTasksQuery = {
  type: 'object',
  required: ['kind'],
  properties: { kind, status, offset: { type: 'string', pattern: '^[0-9]{0,9}$' }, limit }
}
export const kindTaskQuery = {
  type: 'object',
  required: ['kind', 'name'],
  properties: { kind, name, id: { type: 'string', pattern: '^[0-9]{1,16}$' } }
}
export const kindPurgeQuery = {
  type: 'object',
  required: ['kind', 'status'],
  properties: { kind, status: { type: 'string', enum: ['settled'] } }
}

const DEFAULT_LIMIT = 50

export interface TaskQuerystring { status?: string, kind?: string, name?: string, limit?: string, cursor?: string }
export interface KindTaskQuerystring { kind: string, name: string, id?: string }
export interface KindTasksQuerystring { kind: string, status?: TaskStatus | '', offset?: string, limit?: string }

/** What a query, of which the schema holds, asks of the tasks of this process. */
export function readQuery (querystring: TaskQuerystring, instance: string): Query {
  const { status, kind, name, limit, cursor } = querystring
  const before = cursor ? numberIn(instance, cursor) : Infinity
  if (before === undefined) throw new FST_ERR_TASK_STALE_CURSOR()
  return { status: status || undefined, kind: kind || undefined, name: name || undefined, limit: readLimit(limit), before }
}

/** Statuses that the fleet counts as one: a number and what it stands for have to agree. */
const together: Partial<Record<TaskStatus, TaskStatus[]>> = { running: ['running', 'cancelling'], failed: ['failed', 'cancelled'] }

export function readPage ({ status, offset, limit }: KindTasksQuerystring) {
  return { status: status ? together[status] ?? [status] : undefined, offset: Number(offset ?? 0), limit: readLimit(limit) }
}

function readLimit (limit: string | undefined): number {
  return limit ? Number(limit) : DEFAULT_LIMIT
}
