import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authority } from './authority.ts'
import { kindsOf, type ClusterTask } from './cluster.ts'
import { readKind, toErrorState } from './fleet.ts'
import type { FleetTasks } from './fleet-tasks.ts'
import { failuresQuery } from './query.ts'
import type { Recent } from './recent.ts'
import { sendFresh } from './replies.ts'
import type { TaskLists } from './task-lists.ts'
import type { ErrorState, Failures } from './wire.ts'

/** A failed task in JSON, and when it settled. */
interface Failed {
  settledAt: number
  json: string
}

interface Latest {
  failures: Failed[]
  total: number | null
  error: ErrorState | null
  pending: number
}

/** Adds the route that lists the tasks that failed last, in this process and in the fleet. */
export function routeFailures (app: FastifyInstance, lists: TaskLists, authority: Authority, fleetTasks: FleetTasks, recent: Recent): void {
  app.get<{ Querystring: { limit: number, scope: 'process' | 'fleet' | 'all' } }>('/failures', { schema: { querystring: failuresQuery } }, async (request, reply) => {
    const { limit, scope } = request.query
    const parts = await Promise.all([
      ...scope === 'fleet' ? [] : [ofProcess(request, limit)],
      ...scope === 'process' ? [] : [ofFleet(request, limit)]
    ])
    const failures = parts.flatMap(({ failures }) => failures).sort((a, b) => b.settledAt - a.settledAt).slice(0, limit)
    const rest: Omit<Failures, 'failures'> = {
      total: parts.some(({ total }) => total === null) ? null : parts.reduce((sum, { total }) => sum + total!, 0),
      error: parts.find(({ error }) => error !== null)?.error ?? null,
      pending: parts.reduce((sum, { pending }) => sum + pending, 0)
    }
    return sendFresh(request, reply, `{"failures":[${failures.map(({ json }) => json).join()}],${JSON.stringify(rest).slice(1)}`)
  })

  async function ofProcess (request: FastifyRequest, limit: number): Promise<Latest> {
    const { failures, total, pending } = await lists.failures(request, limit)
    return { failures: failures.map(failed => ({ ...failed, json: `{"fleet":false,"task":${failed.json}}` })), total, error: null, pending }
  }

  async function ofFleet (request: FastifyRequest, limit: number): Promise<Latest> {
    let pending = 0
    let total: number | null = 0
    let error: ErrorState | null = null
    const visible: ClusterTask[] = []
    await Promise.all(kindsOf(app).map(async kind => {
      try {
        const tasks = await recent.get(`failures ${limit} ${kind.name}`, () => kind.tasks({ status: ['failed'], offset: 0, limit }))
        const { counts } = await readKind(kind, recent)
        const answer = await authority.filterSoon(request, 'view', tasks)
        visible.push(...answer.allowed)
        pending += answer.pending
        total = total === null || counts === null ? null : total + counts.failed
      } catch (reason) {
        error ??= toErrorState(reason)
        total = null
      }
    }))
    const latest = visible.sort((a, b) => b.settledAt! - a.settledAt!).slice(0, limit)
    const rows = await fleetTasks.rowsJson(request, latest)
    if (!authority.isOpen) total = null
    return { failures: latest.map((task, i) => ({ settledAt: task.settledAt!, json: `{"fleet":true,"task":${rows[i]}}` })), total, error, pending }
  }
}
