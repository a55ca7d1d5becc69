import type { FleetTaskRow, Status, TaskRow } from '../wire.ts'

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

/** How long a task ran, or has been running. */
export function durationOf (task: AnyTask, now: number): number | undefined {
  if (task.startedAt === undefined) return undefined
  if (task.settledAt !== undefined) return Date.parse(task.settledAt) - Date.parse(task.startedAt)
  const ms = Math.max(0, now - Date.parse(task.startedAt))
  return ms < 1000 ? ms : Math.floor(ms / 1000) * 1000
}

/** Why a task failed or was cancelled, in a line. In lists a long error comes as a text that is cut. */
export function reasonOf ({ error }: AnyTask): string {
  if (error === undefined || error === null) return ''
  return typeof error === 'string' ? error : error.message || error.name
}
