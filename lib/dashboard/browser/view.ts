import type { Status } from '../wire.ts'
import { statuses } from './task.ts'

/** What the page shows, all of it in its URL: a view survives a reload, goes back, and can be sent to a colleague. */
export interface View {
  /** A kind of the fleet. None: the tasks of this process. */
  fleet?: string | undefined
  status?: Status | undefined
  kind?: string | undefined
  /** The start of a name. */
  name: string
  limit: number
  /** Where the page of the list begins, as the server told it. None: the first. */
  cursor?: string | undefined
  /** The task whose details are open: its id, or in the fleet its name. */
  task?: string | undefined
}

const defaultLimit = 50
export const limits = [50, 100, 200]

export function readView (search: string): View {
  const query = new URLSearchParams(search)
  const limit = Number(query.get('limit'))
  return {
    fleet: query.get('fleet') ?? undefined,
    status: statuses.find(status => status === query.get('status')),
    kind: query.get('kind') || undefined,
    name: query.get('name') ?? '',
    limit: limits.includes(limit) ? limit : defaultLimit,
    cursor: query.get('cursor') || undefined,
    task: query.get('task') || undefined
  }
}

/** The URL of a view, relative to the page. What is as it was at first is left out. */
export function urlOf (view: View): string {
  const query = queryOf({ ...view, limit: view.limit === defaultLimit ? undefined : String(view.limit) })
  return query === '' ? './' : `?${query}`
}

/** Where the list of a view is, and its events. */
export function pathsOf ({ fleet, status, kind, name, limit, cursor }: View): { list: string, events?: string } {
  if (fleet !== undefined) return { list: `kinds/tasks?${queryOf({ kind: fleet, status, limit: String(limit), offset: cursor })}` }
  const query = queryOf({ status, kind, name, limit: String(limit), cursor })
  return { list: `tasks?${query}`, events: `events?${query}` }
}

/** Where a task is read of which no more is known than the view tells. */
export function taskPathOf (fleet: string | undefined, task: string): string {
  return fleet === undefined ? `tasks/${encodeURIComponent(task)}` : `kinds/task?${queryOf({ kind: fleet, name: task })}`
}

/** Whether two views show the same list, whatever task is open. */
export function isSameList (view: View, other: View): boolean {
  return urlOf({ ...view, task: undefined }) === urlOf({ ...other, task: undefined })
}

/** Whether a view leaves tasks out. */
export function isFiltered (view: View): boolean {
  return view.status !== undefined || (view.fleet === undefined && (view.kind !== undefined || view.name !== ''))
}

function queryOf (parameters: Record<string, string | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value)
  return query.toString()
}
