import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Task } from '../../types/index.ts'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import type { Authority } from './authority.ts'
import { FST_ERR_TASK_FORBIDDEN } from './errors.ts'
import { cancelManyQuery, purgeQuery, readQuery, taskQuery, type Filter, type TaskQuerystring } from './query.ts'
import { sendFresh, sendJson } from './replies.ts'
import type { TaskLists } from './task-lists.ts'
import type { CancelledMany, Purged } from './wire.ts'

/** How many tasks one request cancels at most. */
const MAX_MANY = 1000

const reason = 'Cancelled from the dashboard'

/** Adds the routes that read tasks of this process. */
export function routeTasks (app: FastifyInstance, lists: TaskLists): void {
  app.get<{ Querystring: TaskQuerystring }>('/tasks', { schema: { querystring: taskQuery } }, async (request, reply) => {
    const query = readQuery(request.query, lists.instance)
    return sendFresh(request, reply, await lists.listJson({ request, query }))
  })

  app.get<{ Params: { id: string } }>('/tasks/:id', async (request, reply) => {
    const task = await find(lists, request, request.params.id)
    return sendFresh(request, reply, await lists.taskJson(request, task))
  })
}

/** Adds the routes that cancel tasks and drop settled ones. */
export function routeTaskChanges (app: FastifyInstance, lists: TaskLists, authority: Authority): void {
  app.delete<{ Params: { id: string } }>('/tasks/:id', async (request, reply) => {
    const task = await find(lists, request, request.params.id)
    await authority.demand(request, 'cancel', task)
    reply.code(task.settled ? 200 : 202)
    if (!task.settled) {
      task.cancel({ reason })
      request.log.info({ task: task.name ?? task.id }, 'task cancelled from the dashboard')
    }
    lists.changed()
    return sendJson(reply, await lists.taskJson(request, task))
  })

  app.put<{ Querystring: Filter }>('/tasks/cancel', { schema: { querystring: cancelManyQuery } }, async (request, reply) => {
    const allowed = await changeable(request, 'cancel')
    const tasks = allowed.filter(task => !task.settled && task.status !== 'cancelling')
    for (const task of tasks.slice(0, MAX_MANY)) task.cancel({ reason })
    const cancelled = Math.min(tasks.length, MAX_MANY)
    request.log.info({ ...request.query, cancelled }, 'tasks cancelled from the dashboard')
    return sendJson(reply, JSON.stringify({ cancelled, more: tasks.length > MAX_MANY } satisfies CancelledMany))
  })

  app.delete<{ Querystring: Filter & { id?: string } }>('/tasks', { schema: { querystring: purgeQuery } }, async (request, reply) => {
    const { id } = request.query
    const tasks = id === undefined ? await changeable(request, 'purge') : await one(request, id)
    const which = new Set(tasks)
    const purged = app.purgeTasks(task => which.has(task))
    lists.changed()
    request.log.info({ ...request.query, purged }, 'tasks purged from the dashboard')
    return sendJson(reply, JSON.stringify({ purged } satisfies Purged))
  })

  /** The tasks that match a query and that the caller may do this with. Throws `FST_ERR_TASK_FORBIDDEN` if tasks match, but none of them is allowed. */
  async function changeable (request: FastifyRequest<{ Querystring: Filter }>, action: 'cancel' | 'purge'): Promise<Task[]> {
    const { visible, allowed } = await lists.matching(request, request.query, action)
    if (allowed.length === 0 && visible.length > 0) throw new FST_ERR_TASK_FORBIDDEN(action)
    lists.changed()
    return allowed
  }

  async function one (request: FastifyRequest, id: string): Promise<Task[]> {
    const task = await find(lists, request, id)
    await authority.demand(request, 'purge', task)
    return [task]
  }
}

/** Finds a task by its id. Throws `FST_ERR_TASK_NOT_FOUND`. */
async function find (lists: TaskLists, request: FastifyRequest, id: string): Promise<Task> {
  const task = await lists.find(request, id)
  if (task === undefined) throw new FST_ERR_TASK_NOT_FOUND(id)
  return task
}
