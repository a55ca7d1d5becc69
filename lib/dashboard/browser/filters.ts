import type { Counts, FleetCounts, KindCount, Sort, Status } from '../wire.ts'
import { button, byId, element, setAttribute, setText } from './element.ts'
import { count } from './format.ts'
import { showName } from './name.ts'
import { statuses } from './task.ts'
import { isFiltered, sorts, type View } from './view.ts'

const typingPause = 250

/** The counts of the statuses and kinds, which are the filters, the box for a part of a name, and the order. */
export class Filters {
  readonly #change: (change: Partial<View>) => void
  readonly #tiles = new Map<Status, HTMLButtonElement>()
  readonly #chips = new Map<string, HTMLButtonElement>()
  readonly #kinds = byId('kinds')
  readonly #search = byId<HTMLInputElement>('search')
  readonly #sort = byId<HTMLSelectElement>('sort')
  readonly #clear = byId('clear')
  #typing: ReturnType<typeof setTimeout> | undefined
  #view: View

  constructor (view: View, change: (change: Partial<View>) => void) {
    this.#view = view
    this.#change = change
    for (const status of statuses) this.#tiles.set(status, this.#makeTile(status))
    byId('statuses').append(...this.#tiles.values())
    for (const [sort, words] of Object.entries(sorts)) this.#sort.append(element('option', { value: sort }, words))
    this.#sort.addEventListener('change', () => change({ sort: this.#sort.value as Sort }))
    this.#search.addEventListener('input', () => {
      clearTimeout(this.#typing)
      this.#typing = setTimeout(() => {
        this.#typing = undefined
        change({ search: this.#search.value.trim() })
      }, typingPause)
    })
    this.#clear.addEventListener('click', () => {
      change({ status: undefined, kind: undefined, search: '' })
      this.#search.focus()
    })
  }

  /** Shows the filters of a view. It does not change a name that is being typed. */
  show (view: View): void {
    this.#view = view
    const isOfFleet = view.fleet !== undefined
    document.body.classList.toggle('of-fleet', isOfFleet)
    document.body.classList.toggle('of-kind-only', isOfFleet && view.fleet !== '')
    for (const [status, tile] of this.#tiles) {
      setAttribute(tile, 'aria-pressed', String(view.status === status))
      tile.hidden = isOfFleet && (status === 'cancelling' || status === 'cancelled')
      setText(tile.querySelector('.state')!, isOfFleet ? fleetLabel(status) : status)
    }
    this.#markKinds()
    this.#kinds.hidden = isOfFleet
    this.#sort.closest('label')!.hidden = isOfFleet
    this.#sort.value = view.sort
    if (this.#typing === undefined && this.#search.value.trim() !== view.search) this.#search.value = view.search
    // It keeps its place, so that nothing moves when it comes and goes.
    this.#clear.classList.toggle('away', !isFiltered(view))
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
    const isHeld = this.#kinds.matches(':hover, :focus-within')
    for (const [kind, chip] of this.#chips) {
      if (known.has(kind)) continue
      // The kind of the filter stays, even if no task has it any more. Nothing moves under the pointer or the focus.
      if (isHeld || kind === this.#view.kind) setText(chip.querySelector('.count')!, '0')
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
    const chip = button('', () => this.#toggle('kind', kind), { class: 'chip' })
    const label = element('span', { class: 'label' })
    showName(label, kind)
    chip.append(label, element('span', { class: 'count' }, '0'))
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

/** The cluster counts `cancelling` as `running`, and `cancelled` as `failed`. */
function fleetLabel (status: Status): string {
  if (status === 'running') return 'running, cancelling'
  if (status === 'failed') return 'failed, cancelled'
  return status
}
