import type { FastifyInstance } from 'fastify'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import { errorState } from '../core/task-state.ts'
import type { Authority } from './authority.ts'
import { findFleetTask } from './fleet-tasks.ts'
import { fleetTaskQuery, type FleetTaskQuerystring } from './query.ts'
import { sendFresh } from './replies.ts'
import { cut, stateJson, whole } from './row.ts'
import type { TaskLists } from './task-lists.ts'
import type { ErrorDetails, ErrorState } from './wire.ts'

/** How many causes within causes are sent, and how many errors of an AggregateError. */
const MAX_DEPTH = 5
const MAX_ERRORS = 10
/** How many bytes of a stack are sent, and how many of the JSON of data or of a result. */
const MAX_STACK = 16 * 1024
const MAX_VALUE = 1024 * 1024

/** Adds the routes for what is not in a state: the data and the result of a task, and the stack and the causes of its error. */
export function routeInspection (app: FastifyInstance, lists: TaskLists, authority: Authority): void {
  app.get<{ Params: { id: string } }>('/tasks/:id/inspect', async (request, reply) => {
    const task = await lists.find(request, request.params.id)
    if (task === undefined) throw new FST_ERR_TASK_NOT_FOUND(request.params.id)
    await authority.demand(request, 'inspect', task)
    const { data, result, error } = task
    return sendFresh(request, reply, inspectionJson({ data, result, error: error === undefined ? undefined : errorDetails(error) }))
  })

  app.get<{ Querystring: FleetTaskQuerystring }>('/kinds/task/inspect', { schema: { querystring: fleetTaskQuery } }, async (request, reply) => {
    const task = await findFleetTask(app, authority, request)
    await authority.demand(request, 'inspect', task)
    const { data, result, error } = task
    return sendFresh(request, reply, inspectionJson({ data, result, error: error === undefined ? undefined : errorState(error) }))
  })
}

function inspectionJson (inspection: { data: unknown, result: unknown, error: ErrorState | undefined }): string {
  return stateJson(inspection, value => {
    const json = whole(value)
    return json === undefined || Buffer.byteLength(json) <= MAX_VALUE ? json : JSON.stringify(cut(json, MAX_VALUE))
  })
}

/** What a reply says of an error. Anything can be thrown, even an object that cannot be read. */
function errorDetails (error: unknown, depth = 1): ErrorDetails {
  const { name, message, code } = errorState(error)
  const details: ErrorDetails = { name, message: cut(message, MAX_STACK), ...code === undefined ? {} : { code } }
  try {
    const { stack, cause, errors } = Object(error)
    if (typeof stack === 'string') details.stack = cut(stack, MAX_STACK)
    if (depth === MAX_DEPTH) return details
    if (cause !== undefined && cause !== null) details.cause = errorDetails(cause, depth + 1)
    if (Array.isArray(errors)) details.errors = errors.slice(0, MAX_ERRORS).map(error => errorDetails(error, depth + 1))
  } catch {} // a getter throws
  return details
}
