import type { ClusterTaskState } from '../../types/cluster.ts'
import { isoString, taskStateSchema } from '../core/task-state.ts'
import type { StoredTask } from './engine.ts'

const { createdAt: time, error, ...core } = taskStateSchema.properties
const worker = {
  type: 'object',
  properties: { host: { type: 'string' }, pid: { type: 'integer' } },
  required: ['host', 'pid']
} as const

const schema = {
  ...taskStateSchema,
  title: 'ClusterTaskState',
  properties: {
    ...core,
    attempt: { type: 'integer' },
    maxAttempts: { type: 'integer' },
    attempts: {
      type: 'array',
      items: {
        type: 'object',
        properties: { attempt: { type: 'integer' }, startedAt: time, endedAt: time, worker, error },
        required: ['attempt', 'endedAt']
      }
    },
    createdAt: time,
    startsAt: time,
    worker,
    error
  },
  required: ['id', 'name', 'kind', 'status', 'attempt', 'maxAttempts', 'attempts', 'createdAt']
} as const

/** The schema without its types, as the core's. */
interface ClusterTaskStateSchema {
  readonly title: 'ClusterTaskState'
  readonly properties: { readonly [Property in keyof ClusterTaskState]: Record<never, never> }
}

/**
 * The JSON schema of the state of a fleet's task: that of `taskStateSchema`, with `attempt`, `maxAttempts`, `attempts`, `startsAt` and
 * `worker`. For `response` schemas and OpenAPI. A task is a valid reply under it: alone, in an array and in `anyOf`.
 *
 * @example
 * app.get('/reports/:id', { schema: { response: { 200: clusterTaskStateSchema } } }, async request => reports.getTask(request.params.id))
 */
export const clusterTaskStateSchema: ClusterTaskStateSchema = schema

/** The state of a cluster task, as a reply sends it. */
export function clusterTaskState (kind: string, stored: StoredTask): ClusterTaskState<any> {
  const { id, name, status, progress, attempt, maxAttempts, attempts, createdAt, startsAt, startedAt, settledAt, worker, error } = stored
  return {
    id,
    name,
    kind,
    status,
    progress,
    attempt,
    maxAttempts,
    attempts: attempts.map(run => ({ ...run, startedAt: isoString(run.startedAt), endedAt: isoString(run.endedAt) })),
    createdAt: isoString(createdAt),
    startsAt: isoString(startsAt),
    startedAt: isoString(startedAt),
    settledAt: isoString(settledAt),
    worker,
    error: error === undefined ? undefined : { name: error.name, message: error.message, code: error.code }
  }
}
