import type { FastifyInstance } from 'fastify'
import type { TaskStatus } from '../../types/index.ts'
import { FST_ERR_TASK_UNKNOWN_KIND } from '../cluster/errors.ts'
import type { FleetCounts, Schedule, Worker } from './wire.ts'

type Settled = 'completed' | 'failed' | 'cancelled'
type Unsettled = 'deferred' | 'running'
type Which = ((task: ClusterTask) => boolean) | undefined

/** What the dashboard needs of a kind of `fastify-tasks/cluster`. */
export interface Kind {
  readonly name: string
  addTask (data: unknown, options: { name: string }): Promise<ClusterTask>
  count (): Promise<FleetCounts>
  history (): Promise<{ time: number, completed: number, failed: number }[]>
  latency (): Promise<number>
  workers (): Promise<(Worker & { since: number | undefined })[]>
  schedules (): Promise<(Schedule & { data: unknown })[]>
  unscheduleTask (name: string): Promise<void>
  tasks (options: { status: readonly TaskStatus[], offset: number, limit: number }): Promise<ClusterTask[]>
  getTask (name: string, options: { optional: true }): Promise<ClusterTask | undefined>
  promoteTask (name: string): Promise<ClusterTask>
  retryTasks (options: { status: Settled, limit: number, which: Which }): Promise<number>
  cancelTasks (options: { status: Unsettled[], reason: string, timeout: number, limit: number, which: Which }): Promise<number>
  purgeTasks (options: { status: Settled[], olderThan?: number, name?: string, which: Which }): Promise<number>
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
  readonly data: unknown
  readonly result: unknown
  readonly error: unknown
  readonly createdAt: number
  readonly startsAt: number | undefined
  readonly startedAt: number | undefined
  readonly settledAt: number | undefined
  toJSON (): object
  refresh (): Promise<this>
  retry (): Promise<this>
  cancel (options: { reason: string, timeout: number }): Promise<void>
}

/** The kinds of the fleet. If `fastify-tasks/cluster` is not registered, there are none. */
export function kindsOf (app: FastifyInstance): Kind[] {
  return app.hasDecorator('cluster') ? [...(app as unknown as { cluster: Iterable<Kind> }).cluster] : []
}

/** Finds a kind. Throws `FST_ERR_TASK_UNKNOWN_KIND`. */
export function kindOf (app: FastifyInstance, name: string): Kind {
  const kind = kindsOf(app).find(kind => kind.name === name)
  if (kind === undefined) throw new FST_ERR_TASK_UNKNOWN_KIND(name)
  return kind
}
