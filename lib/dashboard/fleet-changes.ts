import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import type { DashboardAction } from '../../types/dashboard.ts'
import type { Authority } from './authority.ts'
import { kindOf, type ClusterTask, type Kind } from './cluster.ts'
import { findFleetTask, type FleetTasks } from './fleet-tasks.ts'
import { fleetCancelQuery, fleetPurgeQuery, fleetTaskQuery, kindQuery, matcherOf, retryQuery, scheduleQuery, statusesOf, type FleetTaskQuerystring } from './query.ts'
import type { Recent } from './recent.ts'
import { sendJson } from './replies.ts'
import type { CancelledMany, FleetCancelQuery, FleetPurgeQuery, Paused, Purged, RetriedMany, RetryQuery, Unscheduled } from './wire.ts'

/** How many milliseconds a reply waits for cancelled tasks to stop. Most stop in time. */
const PATIENCE = 1000

/** How many tasks one request changes at most. */
const MAX_MANY = 1000

const reason = 'Cancelled from the dashboard'

type TaskRequest = FastifyRequest<{ Querystring: FleetTaskQuerystring }>

/** Adds the routes that change tasks, kinds and schedules of the fleet. Each change is logged. */
export function routeFleetChanges (app: FastifyInstance, authority: Authority, fleetTasks: FleetTasks, recent: Recent): void {
  // After a change, no page gets a reply that was kept before it.
  app.addHook('onResponse', async ({ method }) => {
    if (method !== 'GET' && method !== 'HEAD') recent.clear()
  })

  app.delete<{ Querystring: FleetTaskQuerystring }>('/kinds/task', { schema: { querystring: fleetTaskQuery } }, async (request, reply) => {
    const task = await changeable(request, 'cancel')
    reply.code(task.settled ? 200 : 202)
    if (!task.settled) await cancel(task, request)
    return await replyWith(task, request, reply)
  })

  app.put<{ Querystring: FleetTaskQuerystring }>('/kinds/task/promote', { schema: { querystring: fleetTaskQuery } }, async (request, reply) => {
    const task = await changeable(request, 'promote')
    await kindOf(app, task.kind).promoteTask(task.name)
    log(request, task, 'task started early from the dashboard')
    return await replyWith(await task.refresh(), request, reply)
  })

  app.put<{ Querystring: RetryQuery }>('/kinds/tasks/retry', { schema: { querystring: retryQuery } }, async (request, reply) => {
    const { kind, name, search, status = 'failed' } = request.query
    if (name !== undefined) {
      const task = await changeable(request as TaskRequest, 'retry')
      await task.retry()
      log(request, task, 'task retried from the dashboard')
      return await replyWith(task, request, reply)
    }
    const retried = await changeKind(request, 'retry', of => of.retryTasks({ status, limit: MAX_MANY, which: matcherOf(search) }))
    request.log.info({ kind, status, search, retried }, 'tasks retried from the dashboard')
    return sendJson(reply, JSON.stringify({ retried, more: retried === MAX_MANY } satisfies RetriedMany))
  })

  app.put<{ Querystring: FleetCancelQuery }>('/kinds/tasks/cancel', { schema: { querystring: fleetCancelQuery } }, async (request, reply) => {
    const { kind, status, search } = request.query
    const statuses: ('deferred' | 'running')[] = status === 'unsettled' ? ['deferred', 'running'] : [status]
    const options = { status: statuses, reason, timeout: PATIENCE, limit: MAX_MANY, which: matcherOf(search) }
    const cancelled = await changeKind(request, 'cancel', of => of.cancelTasks(options)).catch((error: unknown) => {
      if (isCancelTimeout(error)) request.log.info({ kind, status, search }, 'tasks cancelled from the dashboard')
      throw error
    })
    request.log.info({ kind, status, search, cancelled }, 'tasks cancelled from the dashboard')
    return sendJson(reply, JSON.stringify({ cancelled, more: cancelled === MAX_MANY } satisfies CancelledMany))
  })

  app.delete<{ Querystring: FleetPurgeQuery }>('/kinds/tasks', { schema: { querystring: fleetPurgeQuery } }, async (request, reply) => {
    const { kind, status, name, search, olderThan } = request.query
    // One task needs the permission for this task. Many need the permission for their kind.
    if (name !== undefined) await changeable(request as TaskRequest, 'purge')
    else await authority.demand(request, 'purge', { kind })
    const purged = await kindOf(app, kind).purgeTasks({
      status: statusesOf(status) as ('completed' | 'failed' | 'cancelled')[],
      ...olderThan === undefined ? {} : { olderThan },
      ...name === undefined ? {} : { name },
      which: matcherOf(search)
    })
    request.log.info({ kind, status, search, task: name, purged }, 'tasks purged from the dashboard')
    return sendJson(reply, JSON.stringify({ purged } satisfies Purged))
  })

  for (const method of ['PUT', 'DELETE']) {
    const paused = method === 'PUT'
    app.route<{ Querystring: { kind: string } }>({
      method,
      url: '/kinds/pause',
      schema: { querystring: kindQuery },
      handler: async (request, reply) => {
        const { kind } = request.query
        await changeKind(request, 'pause', of => paused ? of.pause() : of.resume())
        request.log.info({ kind }, paused ? 'kind paused from the dashboard' : 'kind resumed from the dashboard')
        return sendJson(reply, JSON.stringify({ kind, paused } satisfies Paused))
      }
    })
  }

  app.put<{ Querystring: { kind: string, name: string } }>('/kinds/schedules/run', { schema: { querystring: scheduleQuery } }, async (request, reply) => {
    const { kind, name } = request.query
    const task = await changeKind(request, 'schedule', async of => {
      const schedule = (await of.schedules()).find(schedule => schedule.name === name)
      if (schedule === undefined) throw new FST_ERR_TASK_NOT_FOUND(name)
      return await of.addTask(schedule.data, { name: `${name}@${new Date().toISOString()}` })
    })
    request.log.info({ kind, schedule: name }, 'schedule run from the dashboard')
    return sendJson(reply.code(201), `{"task":${await fleetTasks.taskJson(request, task)}}`)
  })

  app.delete<{ Querystring: { kind: string, name: string } }>('/kinds/schedules', { schema: { querystring: scheduleQuery } }, async (request, reply) => {
    const { kind, name } = request.query
    await changeKind(request, 'schedule', of => of.unscheduleTask(name))
    request.log.info({ kind, schedule: name }, 'schedule removed from the dashboard')
    return sendJson(reply, JSON.stringify({ kind, name } satisfies Unscheduled))
  })

  /** The task that a query names, if the caller may do this with it. */
  async function changeable (request: TaskRequest, action: DashboardAction): Promise<ClusterTask> {
    const task = await findFleetTask(app, authority, request)
    await authority.demand(request, action, task)
    return task
  }

  /** Does something with the kind that a query names, if the caller may. */
  async function changeKind<Result> (request: FastifyRequest, action: DashboardAction, change: (kind: Kind) => Promise<Result>): Promise<Result> {
    const { kind } = request.query as { kind: string }
    await authority.demand(request, action, { kind })
    return await change(kindOf(app, kind))
  }

  async function replyWith (task: ClusterTask, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    return sendJson(reply, await fleetTasks.taskJson(request, task))
  }
}

async function cancel (task: ClusterTask, request: FastifyRequest): Promise<void> {
  try {
    await task.cancel({ reason, timeout: PATIENCE })
  } catch (error) {
    if (!isCancelTimeout(error)) throw error
  }
  log(request, task, 'task cancelled from the dashboard')
  await task.refresh()
}

function isCancelTimeout (error: unknown): boolean {
  return (error as { code?: string }).code === 'FST_ERR_TASK_CANCEL_TIMEOUT'
}

function log (request: FastifyRequest, { kind, name }: ClusterTask, message: string): void {
  request.log.info({ kind, task: name }, message)
}
