import type { TaskRow } from '../wire.ts'
import { button, byId, element } from './element.ts'
import { elapsed } from './format.ts'
import { label, reasonOf } from './task.ts'

const panel = byId('failure')

/** The latest failures, above the table: what failed last, and why, though newer tasks fill the page. */
export function showFailures (failures: TaskRow[], now: number, open: (task: TaskRow) => void): void {
  panel.hidden = failures.length === 0
  panel.replaceChildren(element('h3', {}, 'Failed last'), element('ul', {}, ...failures.map(task =>
    element('li', {},
      button(label(task), () => open(task), { class: 'open', 'aria-haspopup': 'dialog' }),
      element('span', { class: 'why' }, reasonOf(task)),
      element('span', { class: 'muted' }, task.settledAt === undefined ? '' : `${elapsed(now - Date.parse(task.settledAt))} ago`)
    )
  )))
}
