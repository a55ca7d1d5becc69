import type { ErrorState } from '../wire.ts'
import { copyButton } from './copy.ts'
import { element } from './element.ts'
import { visible, visibleLines } from './name.ts'

/** Causes that are shown: an error may be its own cause. */
const deepest = 5

/** An error with what is told of it only where one task is told. */
interface WholeError extends ErrorState { stack?: unknown, cause?: unknown }

/** An error as the server tells it, or as much of its text as a list shows. */
export type Told = ErrorState | string

/** An error in one line: its message, or else its name. */
export function reason (error: Told): string {
  return typeof error === 'string' ? error : error.message || error.name
}

/** Everything of an error: its name, code and message, its causes, and its stack one click away. */
export function why (error: Told, status: string): HTMLElement {
  if (typeof error === 'string') return element('div', { class: `because ${status}` }, element('p', {}, visibleLines(error)))
  return element('div', { class: `because ${status}` },
    element('p', {}, ...summary(error)),
    ...causesOf(error).map(cause => element('p', { class: 'cause' }, 'Caused by ', ...summary(cause))),
    stackOf(error)
  )
}

function summary ({ name, message, code }: ErrorState): Array<Node | string> {
  const title = visible(code === undefined ? name : `${name} (${code})`)
  return [element('strong', {}, title), message === '' ? '' : `: ${visibleLines(message)}`]
}

function causesOf (error: WholeError): WholeError[] {
  const causes: WholeError[] = []
  let cause: unknown = error.cause
  while (typeof cause === 'object' && cause !== null && causes.length < deepest) {
    const { name = 'Error', message = '', code, stack, cause: next } = cause as Partial<WholeError>
    causes.push({ name, message, code, stack })
    cause = next
  }
  return causes
}

function stackOf (error: WholeError): HTMLElement | undefined {
  const stacks = [error, ...causesOf(error)].map(({ stack }) => stack).filter(stack => typeof stack === 'string')
  if (stacks.length === 0) return undefined
  const text = stacks.join('\nCaused by ')
  return element('details', {},
    element('summary', {}, 'Stack'),
    element('pre', { tabindex: '0', 'aria-label': 'Stack' }, visibleLines(text)),
    copyButton('Copy stack', () => text)
  )
}
