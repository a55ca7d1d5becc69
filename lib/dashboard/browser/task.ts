import type { FleetTaskRow, Status, TaskRow } from '../wire.ts'
import { duration, elapsed } from './format.ts'

/** A task of this process, or one of the fleet. */
export type AnyTask = TaskRow | FleetTaskRow

/** The statuses, in the order in which an operator asks for them. */
export const statuses: readonly Status[] = ['running', 'cancelling', 'deferred', 'failed', 'cancelled', 'completed']

export function isSettled (task: AnyTask): boolean {
  return task.status === 'completed' || task.status === 'failed' || task.status === 'cancelled'
}

/** What a task is called: its name, or `#` and its number. */
export function label ({ id, name }: AnyTask): string {
  return name || `#${String(id ?? '?').replace(/^.*-/, '')}`
}

/** What tells a task from all others in a list. */
export function key (task: AnyTask): string {
  return isOfFleet(task) ? task.name : task.id
}

/** Where a task is read and cancelled. The id of one of the fleet tells it from others that have had its name. */
export function path (task: AnyTask): string {
  if (!isOfFleet(task)) return `tasks/${encodeURIComponent(task.id)}`
  const { kind, name, id } = task
  return `kinds/task?${new URLSearchParams({ kind, name, ...id === undefined ? {} : { id: String(id) } })}`
}

function isOfFleet (task: AnyTask): task is FleetTaskRow {
  return typeof task.id !== 'string'
}

/** How long ago a task was added, if that is told. */
export function ageOf (task: AnyTask, now: number): number | undefined {
  return task.createdAt === undefined ? undefined : Math.max(0, now - Date.parse(task.createdAt))
}

/** How long a task ran, or has been running, if it has started. */
export function durationOf ({ startedAt, settledAt }: AnyTask, now: number): string {
  if (startedAt === undefined) return ''
  const start = Date.parse(startedAt)
  return settledAt === undefined ? elapsed(now - start) : duration(Date.parse(settledAt) - start)
}

/** Why a task failed or was cancelled, in a line. In lists a long error comes as a text that is cut. */
export function reasonOf ({ error }: AnyTask): string {
  if (error === undefined || error === null) return ''
  return typeof error === 'string' ? error : error.message || error.name
}
