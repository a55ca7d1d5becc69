import type { FastifyInstance, FastifyRequest } from 'fastify'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import type { Authority } from './authority.ts'
import { kindOf, kindsOf, type ClusterTask, type Kind } from './cluster.ts'
import { kindPurgeQuery, kindQuery, kindTaskQuery, kindTasksQuery, readPage, type KindTaskQuerystring, type KindTasksQuerystring } from './query.ts'
import { shortRow, wholeRow } from './row.ts'
import type { Show } from './shown.ts'
import type { ErrorState, FleetKind, FleetKinds, Paused, Purged } from './wire.ts'

const json = 'application/json; charset=utf-8'

/** Milliseconds that a cancellation gets to be done with when it is replied to; most are. */
const PATIENCE = 1000

/** The kinds of the fleet, the tasks of one, and all of a task. */
export function routeFleet (app: FastifyInstance, authority: Authority, show: Show): void {
  app.get('/kinds', async (request): Promise<FleetKinds> => {
    const kinds = kindsOf(app).map(of => ({ kind: of.name, of }))
    const visible = await authority.filter(request, 'view', kinds)
    return { kinds: await Promise.all(visible.map(({ of }) => kindState(of))), time: Date.now() }
  })

  app.get<{ Querystring: KindTasksQuerystring }>('/kinds/tasks', { schema: { querystring: kindTasksQuery } }, async (request, reply) => {
    const { status, offset, limit } = readPage(request.query)
    const tasks = await kindOf(app, request.query.kind).tasks({ status, offset, limit: limit + 1 })
    const visible = await authority.filter(request, 'view', tasks.slice(0, limit))
    const rows = visible.map(task => shortRow(stateOf(task, show)))
    return reply.type(json).send(`{"tasks":[${rows.join()}],"offset":${tasks.length > limit ? offset + limit : null}}`)
  })

  app.get<{ Querystring: KindTaskQuerystring }>('/kinds/task', { schema: { querystring: kindTaskQuery } }, async (request, reply) => {
    const task = await find(app, authority, request)
    return reply.type(json).send(wholeRow(stateOf(task, show)))
  })
}

/** Cancels a task of the fleet, wherever it runs, purges those of a kind that have settled, pauses a kind and resumes it. */
export function routeFleetChanges (app: FastifyInstance, authority: Authority, show: Show): void {
  app.delete<{ Querystring: KindTaskQuerystring }>('/kinds/task', { schema: { querystring: kindTaskQuery } }, async (request, reply) => {
    const task = await find(app, authority, request)
    await authority.demand(request, 'cancel', task)
    reply.code(task.settled ? 200 : 202)
    if (!task.settled) await cancel(task, request)
    return reply.type(json).send(wholeRow(stateOf(task, show)))
  })

  app.delete<{ Querystring: { kind: string } }>('/kinds/tasks', { schema: { querystring: kindPurgeQuery } }, async (request): Promise<Purged> => {
    const { kind } = request.query
    await authority.demand(request, 'purge', { kind })
    const purged = await kindOf(app, kind).purgeTasks()
    request.log.info({ kind, purged }, 'tasks purged from the dashboard')
    return { purged }
  })

  for (const method of ['PUT', 'DELETE']) {
    const paused = method === 'PUT'
    app.route<{ Querystring: { kind: string } }>({
      method,
      url: '/kinds/pause',
      schema: { querystring: kindQuery },
      handler: async (request): Promise<Paused> => {
        const { kind } = request.query
        await authority.demand(request, 'pause', { kind })
        const found = kindOf(app, kind)
        await (paused ? found.pause() : found.resume())
        request.log.info({ kind }, paused ? 'kind paused from the dashboard' : 'kind resumed from the dashboard')
        return { kind, paused }
      }
    })
  }
}

async function find (app: FastifyInstance, authority: Authority, request: FastifyRequest<{ Querystring: KindTaskQuerystring }>): Promise<ClusterTask> {
  const { kind, name, id } = request.query
  const task = await kindOf(app, kind).getTask(name, { optional: true })
  const found = task !== undefined && (id === undefined || task.id === Number(id)) && await authority.may(request, 'view', task)
  if (!found) throw new FST_ERR_TASK_NOT_FOUND(name)
  return task
}

async function cancel (task: ClusterTask, request: FastifyRequest): Promise<void> {
  try {
    await task.cancel({ reason: 'Cancelled from the dashboard', timeout: PATIENCE })
  } catch (error) {
    if ((error as { code?: string }).code !== 'FST_ERR_TASK_CANCEL_TIMEOUT') throw error
  }
  request.log.info({ kind: task.kind, task: task.name }, 'task cancelled from the dashboard')
  await task.refresh()
}

function stateOf (task: ClusterTask, show: Show): object {
  const { id, kind, name, status } = task
  return { ...show(task), id, kind, name, status }
}

/** What a kind is like; if its server does not tell, what went wrong. */
async function kindState (kind: Kind): Promise<FleetKind> {
  const state: FleetKind = { kind: kind.name, counts: null, paused: null, schedules: null, latency: null, workers: null, error: null, can: [] }
  try {
    const [counts, paused, schedules] = await Promise.all([kind.count(), kind.isPaused(), kind.schedules()])
    return { ...state, counts, paused, schedules: schedules.map(({ data: _, ...schedule }) => schedule) }
  } catch (error) {
    const { name, message, code } = error as ErrorState
    return { ...state, error: { name, message, code } }
  }
}
