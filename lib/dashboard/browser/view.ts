import type { Sort, Status } from '../wire.ts'
import { statuses } from './task.ts'

/** What the page shows. All of it is in the URL: so a view survives a reload, is in the history, and can be sent to a colleague. */
export interface View {
  /** A kind of the fleet, or '' for all kinds. Undefined: the tasks of this process. */
  fleet?: string | undefined
  /** Somebody chose the tasks of this process. Without a choice the page may start with the fleet. */
  process?: boolean | undefined
  status?: Status | undefined
  kind?: string | undefined
  /** A part of a name. */
  search: string
  sort: Sort
  limit: number
  /** Where the page of the list begins: a value from the server. Undefined for the first page. */
  cursor?: string | undefined
  /** The task whose details are open: its id, or its name if it is of the fleet. */
  task?: string | undefined
  /** The kind of the open task, if it is of the fleet and `fleet` is not its kind. */
  of?: string | undefined
}

/** The URL of a view that chooses nothing. */
const bare = './'
const defaultLimit = 50
const defaultSort = 'running'
export const limits = [50, 100, 200]
export const sorts: Record<Sort, string> = {
  running: 'Running first',
  newest: 'Newest first',
  oldest: 'Oldest first',
  settled: 'Last settled first'
}

/** A view without filters. */
export const wholeView: View = { search: '', sort: defaultSort, limit: defaultLimit }

/** All tasks of a source: of this process, or, with `fleet`, of the fleet. */
export function viewOf (fleet: string | undefined): View {
  return { ...wholeView, fleet, process: fleet === undefined }
}

/** Whether a view is that of a URL without a query. */
export function isUnchosen (view: View): boolean {
  return urlOf(view) === bare
}

export function readView (search: string): View {
  const query = new URLSearchParams(search)
  const limit = Number(query.get('limit'))
  const sort = query.get('sort') ?? ''
  return {
    fleet: query.get('fleet') ?? undefined,
    process: query.has('process'),
    status: statuses.find(status => status === query.get('status')),
    kind: query.get('kind') || undefined,
    search: query.get('search') ?? '',
    sort: Object.hasOwn(sorts, sort) ? sort as Sort : defaultSort,
    limit: limits.includes(limit) ? limit : defaultLimit,
    cursor: query.get('cursor') || undefined,
    task: query.get('task') || undefined,
    of: query.get('of') || undefined
  }
}

/** The URL of a view, relative to the page. What has its default is left out. */
export function urlOf ({ fleet, process, limit, sort, ...rest }: View): string {
  const query = queryOf({ ...rest, sort: sort === defaultSort ? undefined : sort, limit: limit === defaultLimit ? undefined : String(limit) })
  if (fleet !== undefined) query.set('fleet', fleet)
  else if (process === true) query.set('process', '')
  return query.size === 0 ? bare : `?${query}`
}

/** The paths of the list of a view and of its events. */
export function pathsOf ({ fleet, status, kind, search, sort, limit, cursor }: View): { list: string, events?: string } {
  if (fleet !== undefined) return { list: `kinds/tasks?${queryOf({ kind: fleet, status, search, limit: String(limit), offset: cursor })}` }
  const query = queryOf({ status, kind, search, sort, limit: String(limit), cursor })
  return { list: `tasks?${query}`, events: `events?${query}` }
}

/** The kind of the task that is open, if it is of the fleet. */
function kindOfTask ({ fleet, of }: View): string | undefined {
  return of ?? (fleet || undefined)
}

/** Identifies the open task, as `key()` does. */
export function taskKeyOf (view: View): string | undefined {
  const kind = kindOfTask(view)
  return view.task === undefined || kind === undefined ? view.task : JSON.stringify([kind, view.task])
}

/** The path that reads the open task. */
export function taskPathOf (view: View): string {
  const kind = kindOfTask(view)
  return kind === undefined ? `tasks/${encodeURIComponent(view.task!)}` : `kinds/task?${queryOf({ kind, name: view.task })}`
}

/** Returns true if two views show the same list, whatever task is open. */
export function isSameList (view: View, other: View): boolean {
  const list = { task: undefined, of: undefined, process: undefined }
  return urlOf({ ...view, ...list }) === urlOf({ ...other, ...list })
}

/** Returns true if a view has filters. */
export function isFiltered (view: View): boolean {
  return view.status !== undefined || view.search !== '' || (view.fleet === undefined && view.kind !== undefined)
}

/** The query of the parameters that have a value. */
export function queryOf (parameters: Record<string, string | undefined>): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value)
  return query
}
