import { button, byId, element } from './element.ts'
import { count } from './format.ts'
import { isFiltered, type View } from './view.ts'

const panel = byId('empty')
let shown = ''

/** Says why the table is empty, and what to do about it. */
export function showEmpty (view: View, isEmpty: boolean, pending: number, change: (change: Partial<View>) => void): void {
  const text = isEmpty ? JSON.stringify([view, pending]) : 'no'
  if (text === shown) return
  shown = text
  panel.hidden = !isEmpty
  if (!isEmpty) return
  // The button disappears, so the focus moves to the box for names.
  const go = (to: Partial<View>) => () => {
    change(to)
    byId('search').focus()
  }
  if (pending > 0) {
    tell('Waiting for the app', `It has not said yet whether you may see ${count(pending)} ${pending === 1 ? 'task' : 'tasks'} (authorize).`)
  } else if (view.cursor !== undefined) {
    tell('Nothing on this page', 'Its tasks are gone, or the search goes on with the next page.', button('First page', go({ cursor: undefined })))
  } else if (isFiltered(view)) {
    const { status, kind, search } = view
    tell(status !== undefined && kind === undefined && search === '' ? `No ${status} tasks` : 'No task matches the filters', 'There may be others.',
      button('Show all tasks', go({ status: undefined, kind: undefined, search: '' })))
  } else {
    tell('No tasks', 'None runs. A task appears here as soon as it is added.')
  }
}

/** Says why the tasks cannot be read. */
export function showOutage (reason: string): void {
  shown = 'outage'
  panel.hidden = false
  tell('The tasks cannot be read', reason)
}

/** Says that the server takes long to list the tasks. */
export function showWaiting (seconds: number): void {
  shown = 'waiting'
  panel.hidden = false
  tell('Waiting for the server to list the tasks …', seconds < 5 ? '' : `${seconds} seconds so far.`)
}

function tell (title: string, text: string, ...more: Node[]): void {
  panel.replaceChildren(element('strong', {}, title), text, element('div', {}, ...more))
}
