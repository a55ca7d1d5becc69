import { byId, button, element, setAttribute, setText } from './element.ts'
import { limits, type View } from './view.ts'

/** Turns the pages of the list, and says how long they are. */
export class Pages {
  readonly #first: HTMLButtonElement
  readonly #next: HTMLButtonElement
  readonly #limit = element('select', { id: 'limit' })
  readonly #words = element('span')
  #cursor: string | null = null
  #isFirst = true

  constructor (change: (change: Partial<View>) => void) {
    this.#first = button('First page', () => !this.#isFirst && change({ cursor: undefined }))
    this.#next = button('Next page', () => this.#cursor !== null && change({ cursor: this.#cursor }))
    for (const limit of limits) this.#limit.append(element('option', { value: String(limit) }, `${limit} rows`))
    this.#limit.addEventListener('change', () => change({ limit: Number(this.#limit.value), cursor: undefined }))
    byId('pages').append(
      element('label', {}, element('span', { class: 'unseen' }, 'Rows of a page'), this.#limit),
      this.#words,
      element('div', { class: 'turn' }, this.#first, this.#next)
    )
  }

  show (view: View, shown: number, cursor: string | null): void {
    this.#cursor = cursor
    this.#isFirst = view.cursor === undefined
    this.#limit.value = String(view.limit)
    setAttribute(this.#first, 'aria-disabled', this.#isFirst ? 'true' : undefined)
    setAttribute(this.#next, 'aria-disabled', cursor === null ? 'true' : undefined)
    setText(this.#words, shown === 0 ? '' : view.fleet === undefined ? `${shown} shown, the newest first` : `${shown} shown`)
  }
}
