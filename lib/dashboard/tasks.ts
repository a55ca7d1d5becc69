import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Task } from '../../types/index.ts'
import { FST_ERR_TASK_NOT_FOUND } from '../core/errors.ts'
import type { Authority } from './authority.ts'
import { FST_ERR_TASK_FORBIDDEN } from './errors.ts'
import { purgeQuery, readQuery, taskQuery, type TaskQuerystring } from './query.ts'
import type { TaskLists } from './task-lists.ts'
import type { Purged } from './wire.ts'

const json = 'application/json; charset=utf-8'

/** Lists the tasks of this process, and tells all of one. */
export function routeTasks (app: FastifyInstance, lists: TaskLists): void {
  app.get<{ Querystring: TaskQuerystring }>('/tasks', { schema: { querystring: taskQuery } }, async (request, reply) => {
    const query = readQuery(request.query, lists.instance)
    return reply.type(json).send(await lists.listJson({ request, query }))
  })

  app.get<{ Params: { id: string } }>('/tasks/:id', async (request, reply) => {
    const task = await find(lists, request)
    return reply.type(json).send(lists.taskJson(task))
  })
}

/** Cancels a task, and purges those that have settled. */
export function routeTaskChanges (app: FastifyInstance, lists: TaskLists, authority: Authority): void {
  app.delete<{ Params: { id: string } }>('/tasks/:id', async (request, reply) => {
    const task = await find(lists, request)
    await authority.demand(request, 'cancel', task)
    reply.code(task.settled ? 200 : 202)
    if (!task.settled) cancel(task, request)
    return reply.type(json).send(lists.taskJson(task))
  })

  app.delete('/tasks', { schema: { querystring: purgeQuery } }, async (request): Promise<Purged> => {
    const settled = await lists.settled(request)
    const allowed = await authority.filter(request, 'purge', settled)
    if (allowed.length === 0 && settled.length > 0) throw new FST_ERR_TASK_FORBIDDEN('purge')
    const which = new Set<Task>(allowed)
    const purged = app.purgeTasks(task => which.has(task))
    request.log.info({ purged }, 'tasks purged from the dashboard')
    return { purged }
  })
}

async function find (lists: TaskLists, request: FastifyRequest<{ Params: { id: string } }>): Promise<Task> {
  const { id } = request.params
  const task = await lists.find(request, id)
  if (task === undefined) throw new FST_ERR_TASK_NOT_FOUND(id)
  return task
}

function cancel (task: Task, request: FastifyRequest): void {
  task.cancel({ reason: 'Cancelled from the dashboard' })
  request.log.info({ task: task.name ?? task.id }, 'task cancelled from the dashboard')
}
