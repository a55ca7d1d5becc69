import type { Counts, FleetCounts, KindCount, Status } from '../wire.ts'
import { button, byId, element, setAttribute, setText } from './element.ts'
import { count } from './format.ts'
import { statuses } from './task.ts'
import { isFiltered, type View } from './view.ts'

const typingPause = 250

/** The counts of the statuses and kinds, which are the filters, and the box for the start of a name. */
export class Filters {
  readonly #change: (change: Partial<View>) => void
  readonly #tiles = new Map<Status, HTMLButtonElement>()
  readonly #chips = new Map<string, HTMLButtonElement>()
  readonly #statuses = byId('statuses')
  readonly #kinds = byId('kinds')
  readonly #name = byId<HTMLInputElement>('name')
  readonly #clear = byId('clear')
  #typing: ReturnType<typeof setTimeout> | undefined
  #view: View

  constructor (view: View, change: (change: Partial<View>) => void) {
    this.#view = view
    this.#change = change
    for (const status of statuses) this.#tiles.set(status, this.#makeTile(status))
    this.#statuses.append(...this.#tiles.values())
    this.#name.addEventListener('input', () => {
      clearTimeout(this.#typing)
      this.#typing = setTimeout(() => {
        this.#typing = undefined
        change({ name: this.#name.value })
      }, typingPause)
    })
    this.#clear.addEventListener('click', () => {
      change({ status: undefined, kind: undefined, name: '' })
      this.#name.focus()
    })
  }

  /** Shows what is filtered by. A name that is being typed is left alone. */
  show (view: View): void {
    this.#view = view
    const ofFleet = view.fleet !== undefined
    document.body.classList.toggle('of-fleet', ofFleet)
    for (const [status, tile] of this.#tiles) {
      setAttribute(tile, 'aria-pressed', String(view.status === status))
      tile.hidden = ofFleet && (status === 'cancelling' || status === 'cancelled')
      setText(tile.querySelector('.state')!, ofFleet ? ofFleetLabel(status) : status)
    }
    this.#markKinds()
    this.#kinds.hidden = ofFleet
    this.#name.closest('label')!.hidden = ofFleet
    if (this.#typing === undefined) this.#name.value = view.name
    this.#clear.hidden = !isFiltered(view)
  }

  count (counts: Counts | FleetCounts | null): void {
    for (const [status, tile] of this.#tiles) {
      const n = (counts as Partial<Counts> | null)?.[status]
      setAttribute(tile, 'data-count', n === undefined ? undefined : String(n))
      setText(tile.querySelector('.count')!, n === undefined ? '–' : count(n))
    }
  }

  countKinds (kinds: KindCount[]): void {
    const known = new Set(kinds.map(({ kind }) => kind))
    const held = this.#kinds.matches(':hover, :focus-within')
    for (const [kind, chip] of this.#chips) {
      if (known.has(kind)) continue
      // What is filtered by stays though no task has it any more, and nothing moves under the pointer or the focus.
      if (held || kind === this.#view.kind) setText(chip.querySelector('.count')!, '0')
      else this.#dropChip(kind, chip)
    }
    for (const { kind, count: n } of kinds) setText(this.#chipOf(kind).querySelector('.count')!, count(n))
    this.#markKinds()
  }

  #makeTile (status: Status): HTMLButtonElement {
    const tile = button('', () => this.#toggle('status', status), { class: 'tile', 'aria-pressed': 'false' })
    tile.append(
      element('span', { class: 'count' }, '–'),
      element('span', { class: 'state', 'data-status': status }, status)
    )
    return tile
  }

  #chipOf (kind: string): HTMLButtonElement {
    const known = this.#chips.get(kind)
    if (known !== undefined) return known
    const chip = button('', () => this.#toggle('kind', kind), { class: 'chip', title: kind })
    chip.append(element('span', { class: 'label' }, kind), element('span', { class: 'count' }, '0'))
    this.#chips.set(kind, chip)
    this.#kinds.append(chip)
    return chip
  }

  #dropChip (kind: string, chip: HTMLButtonElement): void {
    chip.remove()
    this.#chips.delete(kind)
  }

  #markKinds (): void {
    if (this.#view.kind !== undefined && this.#view.fleet === undefined) this.#chipOf(this.#view.kind)
    for (const [kind, chip] of this.#chips) setAttribute(chip, 'aria-pressed', String(this.#view.kind === kind))
  }

  #toggle (filter: 'status' | 'kind', value: string): void {
    this.#change({ [filter]: this.#view[filter] === value ? undefined : value })
  }
}

/** The cluster counts what is being cancelled as running, and what was cancelled as failed. */
function ofFleetLabel (status: Status): string {
  if (status === 'running') return 'running, cancelling'
  if (status === 'failed') return 'failed, cancelled'
  return status
}
