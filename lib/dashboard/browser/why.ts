import type { ErrorDetails, ErrorState } from '../wire.ts'
import { copyButton } from './copy.ts'
import { element } from './element.ts'
import { visible, visibleLines } from './name.ts'

/** An error as the server sends it. In lists, a long one comes as a text that is cut. */
export type Told = ErrorDetails | string

/** An error in one line: its message, or else its name. */
export function reason (error: Told): string {
  return typeof error === 'string' ? error : error.message || error.name
}

/** Everything of an error: its name, code and message, its causes, and its stack one click away. */
export function why (error: Told, status: string): HTMLElement {
  if (typeof error === 'string') return element('div', { class: `because ${status}` }, element('p', {}, visibleLines(error)))
  return element('div', { class: `because ${status}` },
    element('p', {}, ...summary(error)),
    ...reasonsOf(error).map(([title, reason]) => element('p', { class: 'cause' }, title, ...summary(reason))),
    stackOf(error)
  )
}

function summary ({ name, message, code }: ErrorState): Array<Node | string> {
  const title = visible(code === undefined ? name : `${name} (${code})`)
  return [element('strong', {}, title), message === '' ? '' : `: ${visibleLines(message)}`]
}

/** The causes of an error, and the errors of an AggregateError. The server cuts both. */
function reasonsOf ({ cause, errors = [] }: ErrorDetails): Array<[title: string, error: ErrorDetails]> {
  const reasons: Array<[string, ErrorDetails]> = errors.flatMap(error => [['One of ', error], ...reasonsOf(error)])
  return cause === undefined ? reasons : [['Caused by ', cause], ...reasonsOf(cause), ...reasons]
}

function stackOf (error: ErrorDetails): HTMLElement | undefined {
  const stacks = [['', error] as const, ...reasonsOf(error)].flatMap(([title, { stack }]) => stack === undefined ? [] : [`${title}${stack}`])
  if (stacks.length === 0) return undefined
  const text = stacks.join('\n\n')
  return element('details', {},
    element('summary', {}, 'Stack'),
    element('pre', { tabindex: '0', 'aria-label': 'Stack' }, visibleLines(text)),
    copyButton('Copy stack', () => text)
  )
}
