import type { FastifyInstance } from 'fastify'
import type { TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_UNKNOWN_KIND } from '../cluster/errors.ts'

/** What the dashboard needs of `fastify-tasks/cluster`, which need not be there. */
export interface Kind {
  readonly name: string
  count (): Promise<{ deferred: number, running: number, completed: number, failed: number }>
  schedules (): Promise<{ name: string, cron?: string, timeZone?: string, every?: number, nextAt: number, data: unknown }[]>
  tasks (options: { status: TaskStatus[] | undefined, offset: number, limit: number }): Promise<ClusterTask[]>
  getTask (name: string, options: { optional: true }): Promise<ClusterTask | undefined>
  purgeTasks (): Promise<number>
  pause (): Promise<void>
  resume (): Promise<void>
  isPaused (): Promise<boolean>
}

export interface ClusterTask {
  readonly id: number
  readonly name: string
  readonly kind: string
  readonly status: TaskStatus
  readonly settled: boolean
  toJSON (): object
  refresh (): Promise<this>
  cancel (options: { reason: string, timeout: number }): Promise<void>
}

/** The kinds of the fleet; none where `fastify-tasks/cluster` is not registered. */
export function kindsOf (app: FastifyInstance): Kind[] {
  return app.hasDecorator('cluster') ? [...(app as unknown as { cluster: Iterable<Kind> }).cluster] : []
}

export function kindOf (app: FastifyInstance, name: string): Kind {
  const kind = kindsOf(app).find(kind => kind.name === name)
  if (kind === undefined) throw new FST_ERR_TASK_UNKNOWN_KIND(name)
  return kind
}
