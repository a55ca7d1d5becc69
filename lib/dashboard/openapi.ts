import { taskStatuses } from '../core/task-state.ts'
import type {
  Action, Attempt, CancelledMany, Counts, ErrorDetails, ErrorState, Failures, FleetCount, FleetCounts, FleetKind, FleetKinds, FleetList,
  FleetTaskRow, Health, History, HistoryMinute, Inspection, KindCount, KindWorker, Paused, Purged, RetriedMany, Schedule, ScheduleRun,
  TaskList, TaskRow, Unscheduled, Worker
} from './wire.ts'

type Schema = Record<string, unknown>

/** What a document says of a route. */
export interface Documented {
  tags: string[]
  summary: string
  response: Record<number, Schema>
}

const text = { type: 'string' }
const integer = { type: 'integer' }
const number = { type: 'number' }
const flag = { type: 'boolean' }
const time = { type: 'string', format: 'date-time' }
const epoch = { type: 'number', description: 'milliseconds since the epoch' }
const anything = { description: 'any JSON value' }

function listOf (items: Schema): Schema {
  return { type: 'array', items }
}

function orNull (schema: Schema): Schema {
  return { ...schema, nullable: true }
}

/** The schema of an object. The compiler checks that each property of its type has one. */
function object<Body> (properties: { [Name in keyof Required<Body>]: Schema }, optional: (keyof Body)[] = []): Schema {
  const required = Object.keys(properties).filter(name => !optional.includes(name as keyof Body))
  return { type: 'object', properties, required }
}

const action = { type: 'string', enum: ['inspect', 'cancel', 'retry', 'promote', 'purge', 'pause', 'schedule'] satisfies Action[] }
const can = listOf(action)
const status = { type: 'string', enum: [...taskStatuses] }
const error = object<ErrorState>({ name: text, message: text, code: { anyOf: [text, number] } }, ['code'])
const worker = object<Worker>({ host: text, pid: integer })
const counts = object<Counts>({ deferred: integer, running: integer, cancelling: integer, completed: integer, failed: integer, cancelled: integer })

const state = { status, name: text, kind: text, progress: anything, createdAt: time, startedAt: time, settledAt: time, error, can }
const stateOptional = ['name', 'kind', 'progress', 'createdAt', 'startedAt', 'settledAt', 'error']
const task = { ...object<TaskRow>({ id: text, ...state }, stateOptional), additionalProperties: true }

const attempt = object<Attempt>({ attempt: integer, startedAt: time, endedAt: time, worker, error }, ['startedAt', 'worker', 'error'])
const fleetTask = {
  ...object<FleetTaskRow>(
    { ...state, id: integer, attempt: integer, maxAttempts: integer, startsAt: time, attempts: listOf(attempt), worker },
    [...stateOptional.filter(name => name !== 'name' && name !== 'kind'), 'attempt', 'maxAttempts', 'startsAt', 'attempts', 'worker']
  ),
  additionalProperties: true
}

const details = object<ErrorDetails>(
  { name: text, message: text, code: { anyOf: [text, number] }, stack: text, cause: { type: 'object', description: 'an error like this one' }, errors: listOf({ type: 'object' }) },
  ['code', 'stack', 'cause', 'errors']
)
const inspection = object<Inspection>({ data: anything, result: anything, error: details }, ['data', 'result', 'error'])

const taskList = object<TaskList>({
  tasks: listOf(task),
  counts,
  kinds: listOf(object<KindCount>({ kind: text, count: integer })),
  cursor: orNull(text),
  previous: orNull(text),
  total: integer,
  position: integer,
  lastFailedAt: orNull(epoch),
  pending: integer
})
const fleetList = object<FleetList>({
  tasks: listOf(fleetTask), offset: orNull(integer), total: orNull(integer), scanned: integer, error: orNull(error), pending: integer
})
const history = object<History>({
  minutes: orNull(listOf(object<HistoryMinute>({ time: epoch, completed: integer, failed: integer, cancelled: integer })))
})
const failures = object<Failures>({
  failures: listOf(object<{ fleet: boolean, task: unknown }>({ fleet: flag, task: { anyOf: [task, fleetTask] } })),
  total: orNull(integer),
  error: orNull(error),
  pending: integer
})
const health = object<Health>({
  title: text,
  readOnly: flag,
  inspect: flag,
  interval: number,
  fleet: flag,
  instance: text,
  pid: integer,
  host: text,
  time: epoch,
  uptime: { type: 'number', description: 'seconds' },
  versions: object<Health['versions']>({ node: text, fastify: text, 'fastify-tasks': text }),
  counts
})
const kind = object<FleetKind>({
  kind: text,
  counts: orNull(object<FleetCounts>({ deferred: integer, running: integer, completed: integer, failed: integer })),
  paused: orNull(flag),
  schedules: orNull(listOf(object<Schedule>({ name: text, cron: text, timeZone: text, every: number, nextAt: epoch }, ['cron', 'timeZone', 'every']))),
  latency: orNull({ type: 'number', description: 'milliseconds' }),
  workers: orNull(listOf(object<KindWorker>({ host: text, pid: integer, since: orNull(epoch) }))),
  error: orNull(error),
  can
})
const cancelled = object<CancelledMany>({ cancelled: integer, more: flag })
const purged = object<Purged>({ purged: integer })
const paused = object<Paused>({ kind: text, paused: flag })

/** The summary of each route of the API, the schema of its reply, and the status of the reply if that is not 200. */
const routes: Record<string, [summary: string, reply: Schema, ...statuses: number[]]> = {
  'GET /health': ['Describes the process: pid, host, uptime, versions, counts', health],
  'GET /history': ['Counts the tasks that settled in this process in each of the last 60 minutes', history],
  'GET /failures': ['Lists the tasks that failed last', failures],
  'GET /tasks': ['Lists the tasks of this process', taskList],
  'GET /tasks/:id': ['Returns a task of this process', task],
  'GET /tasks/:id/inspect': ['Returns the data, the result and the error of a task', inspection],
  'GET /events': ['Sends the list of tasks whenever it changes, as server-sent events', { content: { 'text/event-stream': { schema: text } } }],
  'DELETE /tasks/:id': ['Cancels a task: 202, or 200 if it has settled before', task, 200, 202],
  'DELETE /tasks': ['Drops the settled tasks that match', purged],
  'PUT /tasks/cancel': ['Cancels the tasks that match, 1,000 at most', cancelled],
  'GET /kinds': ['Lists the kinds of the fleet', object<FleetKinds>({ kinds: listOf(kind), time: epoch })],
  'GET /kinds/history': ['Counts the tasks of a kind, or of all, that settled in each of the last 60 minutes', history],
  'GET /kinds/tasks': ['Lists the tasks of a kind, or of all', fleetList],
  'GET /kinds/count': ['Counts the tasks of a kind that have a status, up to 2,000', object<FleetCount>({ count: integer, exact: flag })],
  'GET /kinds/task': ['Returns a task of the fleet, with its attempts', fleetTask],
  'GET /kinds/task/inspect': ['Returns the data, the result and the error of a task of the fleet', inspection],
  'DELETE /kinds/task': ['Cancels a task of the fleet: 202, or 200 if it has settled before', fleetTask, 200, 202],
  'PUT /kinds/task/promote': ['Ends the delay of a task', fleetTask],
  'PUT /kinds/tasks/retry': ['Runs a settled task again, or all of a status, 1,000 at most', { anyOf: [fleetTask, object<RetriedMany>({ retried: integer, more: flag })] }],
  'PUT /kinds/tasks/cancel': ['Cancels the tasks of a kind that have a status, 1,000 at most', cancelled],
  'DELETE /kinds/tasks': ['Drops the settled tasks of a kind that have a status', purged],
  'PUT /kinds/pause': ['Pauses a kind, in all processes', paused],
  'DELETE /kinds/pause': ['Resumes a kind, in all processes', paused],
  'PUT /kinds/schedules/run': ['Runs a schedule now', object<ScheduleRun>({ task: fleetTask }), 201],
  'DELETE /kinds/schedules': ['Removes a schedule', object<Unscheduled>({ kind: text, name: text })]
}

/** What an OpenAPI document says of a route. Undefined for the page and its files. */
export function documented (method: string, path: string): Documented | undefined {
  const route = routes[`${method} ${path}`]
  if (route === undefined) return undefined
  const [summary, reply, ...statuses] = route
  const response = Object.fromEntries((statuses.length === 0 ? [200] : statuses).map(status => [status, { description: summary, ...reply }]))
  return { tags: ['tasks'], summary, response }
}
