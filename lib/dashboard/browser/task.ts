import type { Action, Attempt, FleetTaskRow, Status, TaskRow } from '../wire.ts'
import { duration, elapsed, until } from './format.ts'
import { reason, type Told } from './why.ts'

/** A task of this process, or one of the fleet. */
export type AnyTask = TaskRow | FleetTaskRow

/** The statuses, in the order in which an operator asks for them. */
export const statuses: readonly Status[] = ['running', 'cancelling', 'deferred', 'failed', 'cancelled', 'completed']

export function isSettled (task: AnyTask): boolean {
  return task.status === 'completed' || task.status === 'failed' || task.status === 'cancelled'
}

/** The name of a task, or `#` and its number. */
export function label ({ id, name }: AnyTask): string {
  return name || `#${String(id ?? '?').replace(/^.*-/, '')}`
}

/** Identifies a task in a list. */
export function key (task: AnyTask): string {
  return isOfFleet(task) ? JSON.stringify([task.kind, task.name]) : task.id
}

/** The path that reads or cancels a task. With a verb, the path that does this to the task. */
export function path (task: AnyTask, verb = ''): string {
  const suffix = verb && `/${verb}`
  return isOfFleet(task) ? `kinds/task${suffix}?${identity(task)}` : `tasks/${encodeURIComponent(task.id)}${suffix}`
}

/** The query that identifies a task of the fleet. With the id, it does not mean another task of the same name. */
export function identity ({ kind, name, id }: FleetTaskRow): URLSearchParams {
  return new URLSearchParams({ kind, name, id: String(id) })
}

/** Returns true if the user may do something to a task and it is possible in its state. */
export function can (action: Action, task: AnyTask): boolean {
  return task.can?.includes(action)
}

export function isOfFleet (task: AnyTask): task is FleetTaskRow {
  return typeof task.id !== 'string'
}

/** Milliseconds since a task was added, if that is known. */
export function ageOf (task: AnyTask, now: number): number | undefined {
  return task.createdAt === undefined ? undefined : Math.max(0, now - Date.parse(task.createdAt))
}

/** How long a task ran, or has been running. Empty if it has not started, or waits for its next attempt. */
export function durationOf ({ startedAt, settledAt, status }: AnyTask, now: number): string {
  if (startedAt === undefined || status === 'deferred') return ''
  const start = Date.parse(startedAt)
  return settledAt === undefined ? elapsed(now - start) : duration(Date.parse(settledAt) - start)
}

/** The runs of a task that have ended, oldest first. */
export function attemptsOf ({ attempts }: AnyTask): Attempt[] {
  return Array.isArray(attempts) ? attempts as Attempt[] : []
}

/** A task that has failed and waits for its next attempt. */
export function isRetrying (task: AnyTask): boolean {
  return task.status === 'deferred' && typeof task.attempt === 'number' && task.attempt > 0 && errorOf(task) !== undefined
}

/** The status in words: `retrying 2/5` for a task that waits for its second attempt of five. */
export function statusOf (task: AnyTask): string {
  if (!isRetrying(task)) return task.status
  const next = (task.attempt as number) + 1
  return typeof task.maxAttempts === 'number' ? `retrying ${next}/${task.maxAttempts}` : 'retrying'
}

/** When a deferred task starts: `in 4 m`. Empty if it may start at once, or has started. */
export function startOf ({ status, startsAt }: AnyTask, now: number): string {
  return status === 'deferred' && typeof startsAt === 'string' ? until(Date.parse(startsAt) - now) : ''
}

/** The error of a task, or of its last attempt. */
export function errorOf ({ error }: AnyTask): Told | undefined {
  return error ?? undefined
}

/** Why a task failed or was cancelled, in one line. In lists, a long error comes as a text that is cut. */
export function reasonOf (task: AnyTask): string {
  const error = errorOf(task)
  return error === undefined ? '' : reason(error)
}
