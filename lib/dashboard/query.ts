import type { TaskStatus } from '../../types/index.ts'
import { taskStatuses } from '../core/task-state.ts'
import { FST_ERR_TASK_STALE_CURSOR } from './errors.ts'
import type { Sort, StatusGroup } from './wire.ts'

/** How many characters a kind, or the start of a name, may have in a query. */
export const MAX_TEXT = 1024

// The dashboard's own validator (see validator.ts) and @fastify/swagger read these schemas. An empty value counts as missing.
const status = { type: 'string', enum: [...taskStatuses, 'unsettled', 'settled'] }
const text = { type: 'string', maxLength: MAX_TEXT }
const search = { type: 'string', maxLength: 256, description: 'a part of a name, in upper or lower case' }
const limit = { type: 'integer', minimum: 1, maximum: 200, default: 50 }
const kind = { type: 'string', maxLength: MAX_TEXT }
const name = { type: 'string', maxLength: 4096 }
const id = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const filter = { status, kind: text, name: { ...text, description: 'the start of a name' }, search }
const settled = { type: 'string', enum: ['settled', 'completed', 'failed', 'cancelled'] }
const unsettled = { type: 'string', enum: ['unsettled', 'deferred', 'running'] }
const sort = { type: 'string', enum: ['newest', 'oldest', 'running', 'settled'], default: 'newest' }

function query (properties: object, required: string[] = []) {
  return { type: 'object', required, properties }
}

// Queries about tasks of this process.
export const taskQuery = query({ ...filter, sort, limit, cursor: { type: 'string', maxLength: 128 } })
export const purgeQuery = query({ ...filter, status: settled, id: { type: 'string', maxLength: 64 } }, ['status'])
export const cancelManyQuery = query({ ...filter, status: unsettled }, ['status'])
export const failuresQuery = query({
  limit: { ...limit, maximum: 50, default: 3 },
  scope: { type: 'string', enum: ['process', 'fleet', 'all'], default: 'process' }
})

// Queries about the fleet.
export const kindQuery = query({ kind }, ['kind'])
export const historyQuery = query({ kind })
export const fleetQuery = query({ kind, status, search, offset: { type: 'integer', minimum: 0, maximum: 999_999_999, default: 0 }, limit })
export const fleetTaskQuery = query({ kind, name, id }, ['kind', 'name'])
export const fleetCountQuery = query({ kind, status, search }, ['kind', 'status'])
export const retryQuery = query({ kind, name, id, search, status: { type: 'string', enum: ['failed', 'cancelled', 'completed'] } }, ['kind'])
export const fleetCancelQuery = query({ kind, status: unsettled, search }, ['kind', 'status'])
export const fleetPurgeQuery = query({ kind, status: settled, name, search, olderThan: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } }, ['kind', 'status'])
export const scheduleQuery = query({ kind, name }, ['kind', 'name'])

type StatusQuery = TaskStatus | StatusGroup

/** Selects tasks of this process. The validator has checked it: what was not asked for is undefined. */
export interface Filter {
  status?: StatusQuery | undefined
  kind?: string | undefined
  /** The start of a name. */
  name?: string | undefined
  /** A part of a name. */
  search?: string | undefined
}

export interface TaskQuerystring extends Filter { sort: Sort, limit: number, cursor?: string }
export interface FleetQuerystring { kind?: string, status?: StatusQuery, search?: string, offset: number, limit: number }
export interface FleetTaskQuerystring { kind: string, name: string, id?: number }

/** A place in a sorted list: see `orders` in snapshot.ts. */
export interface Place {
  major: number
  minor: number
}

/** Selects a page of a list of this process: the first `limit` tasks that match and come after the place. */
export interface Query extends Filter {
  sort: Sort
  limit: number
  after: Place | undefined
}

/** Reads the query of a list. Throws `FST_ERR_TASK_STALE_CURSOR` if another process has made the cursor. */
export function readQuery ({ cursor, ...query }: TaskQuerystring, instance: string): Query {
  return { ...query, after: cursor === undefined ? undefined : readCursor(cursor, instance) }
}

export function toCursor (instance: string, { major, minor }: Place): string {
  return `${instance}_${major}_${minor}`
}

function readCursor (cursor: string, instance: string): Place {
  const [of, major, minor] = cursor.split('_')
  const place = { major: Number(major), minor: Number(minor) }
  if (of !== instance || cursor !== toCursor(instance, place)) throw new FST_ERR_TASK_STALE_CURSOR()
  return place
}

/** Says whether the name of a task has the text of a search. Undefined if nothing is searched for. */
export function matcherOf (search: string | undefined): ((task: { readonly name?: string | undefined }) => boolean) | undefined {
  if (search === undefined) return undefined
  const part = search.toLowerCase()
  return ({ name }) => name?.toLowerCase().includes(part) === true
}

/** The statuses that a query of this process asks for. */
export function statusesOf (status: StatusQuery | undefined): readonly TaskStatus[] {
  if (status === undefined) return taskStatuses
  if (status === 'unsettled') return ['deferred', 'running', 'cancelling']
  if (status === 'settled') return ['completed', 'failed', 'cancelled']
  return [status]
}

/** The statuses that a query of the fleet asks for. The fleet counts `cancelling` as `running` and `cancelled` as `failed`, so its lists do that, too. */
export function fleetStatusesOf (status: StatusQuery | undefined): readonly TaskStatus[] {
  if (status === 'running') return ['running', 'cancelling']
  if (status === 'failed') return ['failed', 'cancelled']
  return statusesOf(status)
}
