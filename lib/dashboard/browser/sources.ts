import type { Counts, FleetCounts, FleetKind, FleetKinds, Health } from '../wire.ts'
import { describe, request } from './api.ts'
import { byId, element, setAttribute, setText } from './element.ts'
import { count } from './format.ts'
import { inWords, showName } from './name.ts'
import { urlOf, type View, viewOf } from './view.ts'

interface Source {
  item: HTMLElement
  link: HTMLAnchorElement
  option: HTMLOptionElement
}

/** Where the tasks of the table run: this process, all kinds of the fleet, or one of them. A list of links, or a select where there is little room. */
export class Sources {
  #kinds: FleetKind[] = []
  readonly #nav = byId('sources')
  readonly #list = element('ul')
  readonly #select = element('select', { id: 'source' })
  readonly #outage = element('div', { class: 'outage', role: 'status', hidden: true })
  readonly #change: (change: Partial<View>) => void
  /** By `fleet` of the view: undefined for this process, '' for all kinds together. */
  readonly #sources = new Map<string | undefined, Source>()

  constructor ({ host, pid }: Health, change: (change: Partial<View>) => void) {
    this.#change = change
    this.#select.addEventListener('change', () => {
      const [fleet] = [...this.#sources].find(([, { option }]) => option.selected)!
      this.#go(fleet)
    })
    this.#list.append(this.#add(undefined, 'This process').item, this.#add('', 'All kinds of the fleet').item)
    setAttribute(this.#sources.get(undefined)!.link, 'title', `${host}, process ${pid}`)
    this.#nav.append(this.#outage, this.#list,
      element('label', { class: 'source-select' }, element('span', {}, 'Tasks of'), this.#select))
    this.#nav.hidden = false
  }

  get kinds () { return this.#kinds }

  find (kind: string): FleetKind | undefined {
    return this.#kinds.find(known => known.kind === kind)
  }

  async refresh (): Promise<void> {
    let outage: string | undefined
    try {
      this.#kinds = (await request<FleetKinds>('GET', 'kinds')).kinds
      outage = this.#kinds.find(({ error }) => error !== null)?.error?.message
    } catch (error) {
      outage = describe(error)
      this.#kinds = this.#kinds.map(kind => ({ ...kind, can: [] }))
    }
    this.#update(outage)
  }

  show ({ fleet }: View): void {
    for (const [of, { link, option }] of this.#sources) {
      setAttribute(link, 'aria-current', fleet === of ? 'page' : undefined)
      if (fleet === of) option.selected = true
    }
  }

  countProcess ({ running, cancelling, deferred, failed }: Counts): void {
    this.#count(this.#sources.get(undefined)!, 'This process', { running: running + cancelling, deferred, failed })
  }

  #update (outage: string | undefined): void {
    this.#outage.hidden = outage === undefined
    if (outage !== undefined && this.#outage.lastChild?.textContent !== outage) {
      this.#outage.replaceChildren(element('strong', {}, 'The fleet cannot be read'), outage)
    }
    const known = new Set(this.#kinds.map(({ kind }) => kind))
    for (const [kind, { item, option }] of this.#sources) {
      if (kind === undefined || kind === '' || known.has(kind)) continue
      item.remove()
      option.remove()
      this.#sources.delete(kind)
    }
    for (const { kind, counts, paused } of this.#kinds) {
      let source = this.#sources.get(kind)
      if (source === undefined) this.#list.append((source = this.#add(kind, kind)).item)
      source.link.querySelector<HTMLElement>('.badge')!.hidden = paused !== true
      this.#count(source, paused === true ? `${inWords(kind)} (paused)` : inWords(kind), counts)
    }
    this.#count(this.#sources.get('')!, 'All kinds of the fleet', sum(this.#kinds))
  }

  #count ({ link, option }: Source, name: string, counts: Omit<FleetCounts, 'completed'> | null): void {
    const told = link.querySelector('.counts')!
    if (counts === null) {
      setText(told, 'unknown')
      return setText(option, `${name}: unknown`)
    }
    const { running, deferred, failed } = counts
    const text = ` · ${count(running)} running · ${count(deferred)} deferred`
    setText(option, `${name}: ${count(failed)} failed, ${count(running)} running`)
    if (told.textContent === `${count(failed)} failed${text}`) return
    told.replaceChildren(element('span', { class: failed > 0 && 'bad' }, `${count(failed)} failed`), text)
    setAttribute(told, 'title', told.textContent!)
  }

  #add (fleet: string | undefined, text: string): Source {
    const name = element('span')
    showName(name, text)
    const link = element('a', { class: 'source', href: urlOf(viewOf(fleet)) },
      element('span', { class: 'of' }, name, element('span', { class: 'badge', hidden: true }, 'paused')),
      element('span', { class: 'counts' })
    )
    link.addEventListener('click', event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return
      event.preventDefault()
      this.#go(fleet)
    })
    const source = { link, item: element('li', {}, link), option: element('option', {}, text) }
    this.#select.append(source.option)
    this.#sources.set(fleet, source)
    return source
  }

  #go (fleet: string | undefined): void {
    this.#change({ ...viewOf(fleet), status: undefined, kind: undefined })
  }
}

/** The counts of all kinds that could be read. */
export function sum (kinds: FleetKind[]): FleetCounts | null {
  const read = kinds.flatMap(({ counts }) => counts ?? [])
  if (read.length === 0 && kinds.length > 0) return null
  const total = { deferred: 0, running: 0, completed: 0, failed: 0 }
  for (const counts of read) for (const status of Object.keys(total) as Array<keyof FleetCounts>) total[status] += counts[status]
  return total
}
