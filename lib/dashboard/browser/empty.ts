import { button, byId, element } from './element.ts'
import { isFiltered, type View } from './view.ts'

const panel = byId('empty')
let shown = ''

/** Says why there is nothing in the table, and what to do about it. */
export function showEmpty (view: View, isEmpty: boolean, change: (change: Partial<View>) => void): void {
  panel.hidden = !isEmpty
  const text = isEmpty ? JSON.stringify(view) : ''
  if (text === shown) return
  shown = text
  if (!isEmpty) return
  if (view.cursor !== undefined) {
    tell('Nothing on this page', 'Its tasks are gone.', button('First page', () => change({ cursor: undefined })))
  } else if (isFiltered(view)) {
    const { status, kind, name } = view
    tell(kind === undefined && name === '' ? `No ${status} tasks` : 'No task fits all filters', 'There may be others.',
      button('Show all tasks', () => change({ status: undefined, kind: undefined, name: '' })))
  } else {
    tell('No tasks', 'None runs. A task appears here as soon as it is added.')
  }
}

/** Says why it is not known what would be in the table. */
export function showOutage (reason: string): void {
  shown = ''
  panel.hidden = false
  tell('The tasks cannot be read', reason)
}

function tell (title: string, text: string, ...more: Node[]): void {
  panel.replaceChildren(element('strong', {}, title), text, element('div', {}, ...more))
}
