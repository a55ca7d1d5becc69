import type { FleetList, TaskList } from '../wire.ts'
import { byId, button, element, setEnabled, setText } from './element.ts'
import { count } from './format.ts'
import { limits, type View } from './view.ts'

/** What the buttons that turn pages need to know of a page. */
interface Turn {
  /** Undefined: there is none. An empty text: the first page. */
  previous?: string | undefined
  next?: string | undefined
  /** How many tasks come before this page, and how many are on all pages, if that is known. */
  position?: number | undefined
  total?: number | undefined
}

/** Turns the pages of the list, and says which page of how many tasks is shown. */
export class Pages {
  readonly #previous: HTMLButtonElement
  readonly #next: HTMLButtonElement
  readonly #limit = element('select', { id: 'limit' })
  readonly #words = element('span', { id: 'shown' })
  #turn: Turn = {}

  constructor (change: (change: Partial<View>) => void) {
    const turn = (cursor: string) => {
      change({ cursor: cursor || undefined })
      byId('table-top').scrollIntoView({ block: 'nearest' })
    }
    this.#previous = button('Previous page', () => turn(this.#turn.previous!))
    this.#next = button('Next page', () => turn(this.#turn.next!))
    for (const limit of limits) this.#limit.append(element('option', { value: String(limit) }, `${limit} rows`))
    this.#limit.addEventListener('change', () => change({ limit: Number(this.#limit.value), cursor: undefined }))
    byId('pages').append(
      element('label', {}, element('span', { class: 'unseen' }, 'Rows of a page'), this.#limit),
      this.#words,
      element('div', { class: 'turn' }, this.#previous, this.#next)
    )
  }

  show (view: View, frame: TaskList | FleetList): void {
    const shown = frame.tasks.length
    const turn = this.#turn = 'counts' in frame ? turnOf(frame) : turnOfFleet(view, frame)
    this.#limit.value = String(view.limit)
    setEnabled(this.#previous, turn.previous !== undefined)
    setEnabled(this.#next, turn.next !== undefined)
    setText(this.#words, wordsOf(shown, turn) + pendingIn(frame))
  }

  /** Shows nothing, because the list is not known. */
  clear (): void {
    this.#turn = {}
    setEnabled(this.#previous, false)
    setEnabled(this.#next, false)
    setText(this.#words, '')
  }
}

function turnOf ({ cursor, previous, position, total }: TaskList): Turn {
  return { previous: previous ?? undefined, next: cursor ?? undefined, position, total }
}

function turnOfFleet ({ cursor, limit, search }: View, { offset, total }: FleetList): Turn {
  const at = Number(cursor ?? 0)
  // A search reads more tasks than it shows, so it is not known where the page before began.
  const before = search === '' && at > limit ? String(at - limit) : ''
  return {
    previous: at === 0 ? undefined : before,
    next: offset === null ? undefined : String(offset),
    position: search === '' ? at : undefined,
    total: total ?? undefined
  }
}

function wordsOf (shown: number, { position, total, next }: Turn): string {
  if (shown === 0) return next === undefined ? '' : 'No tasks on this page. There may be some on the next page.'
  if (position === undefined) return `${count(shown)} shown`
  const range = `${count(position + 1)}–${count(position + shown)}`
  return total === undefined ? range : `${range} of ${count(total)}`
}

function pendingIn ({ pending }: TaskList | FleetList): string {
  return pending > 0 ? ` · waiting for the app to say whether you may see ${count(pending)} more` : ''
}
