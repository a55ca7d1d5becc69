/** What the page shows, all of it in its URL: a view survives a reload, goes back, and can be sent to a colleague. */
export interface View {
  /** A kind of the fleet; none: the tasks of this process. */
  fleet?: string | undefined
  status: string[]
  kind: string[]
  name: string
  limit: number
  cursor?: string | undefined
  /** The task whose details are open. */
  task?: string | undefined
}

const defaultLimit = 50
export const limits = [50, 100, 200]

export function readView (search: string): View {
  const query = new URLSearchParams(search)
  const limit = Number(query.get('limit'))
  return {
    fleet: query.get('fleet') ?? undefined,
    status: query.getAll('status'),
    kind: query.getAll('kind'),
    name: query.get('name') ?? '',
    limit: limits.includes(limit) ? limit : defaultLimit,
    cursor: query.get('cursor') ?? undefined,
    task: query.get('task') ?? undefined
  }
}

/** The query of a view, for the page's URL. What is as it was is left out. */
export function writeView (view: View): string {
  const query = filters(view)
  if (view.fleet !== undefined) query.set('fleet', view.fleet)
  if (view.limit !== defaultLimit) query.set('limit', String(view.limit))
  if (view.task !== undefined) query.set('task', view.task)
  return query.size === 0 ? './' : `?${query}`
}

export function filters ({ status, kind, name, cursor }: View): URLSearchParams {
  const query = new URLSearchParams()
  for (const one of status) query.append('status', one)
  for (const one of kind) query.append('kind', one)
  if (name !== '') query.set('name', name)
  if (cursor !== undefined) query.set('cursor', cursor)
  return query
}
