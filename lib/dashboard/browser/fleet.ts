import type { FleetKind, FleetKinds, Health } from '../wire.ts'
import { describe, request } from './api.ts'
import { byId, element, setAttribute, setText } from './element.ts'
import { count } from './format.ts'
import { urlOf, type View } from './view.ts'

/** This process and, beside it, the kinds of the fleet: where the tasks of the table run. */
export class Fleet {
  #kinds: FleetKind[] = []
  readonly #nav = byId('sources')
  readonly #list = element('ul')
  readonly #outage = element('div', { class: 'outage', role: 'status', hidden: true })
  readonly #change: (change: Partial<View>) => void
  readonly #process: HTMLAnchorElement
  readonly #links = new Map<string, HTMLAnchorElement>()

  constructor (health: Health, change: (change: Partial<View>) => void) {
    this.#change = change
    this.#process = this.#link(undefined, 'This process')
    setText(this.#process.querySelector('.counts')!, `${health.host}, process ${health.pid}`)
    this.#nav.append(this.#process, element('h2', {}, 'Fleet'), this.#outage, this.#list)
    this.#nav.hidden = false
  }

  async refresh (): Promise<void> {
    let outage: string | undefined
    try {
      this.#kinds = (await request<FleetKinds>('GET', 'kinds')).kinds
      outage = this.#kinds.find(({ error }) => error !== null)?.error?.message
    } catch (error) {
      outage = describe(error)
    }
    this.#update(outage)
  }

  find (kind: string): FleetKind | undefined {
    return this.#kinds.find(known => known.kind === kind)
  }

  show ({ fleet }: View): void {
    setAttribute(this.#process, 'aria-current', fleet === undefined ? 'page' : undefined)
    for (const [kind, link] of this.#links) setAttribute(link, 'aria-current', fleet === kind ? 'page' : undefined)
  }

  #update (outage: string | undefined): void {
    this.#outage.hidden = outage === undefined
    if (outage !== undefined && this.#outage.lastChild?.textContent !== outage) {
      this.#outage.replaceChildren(element('strong', {}, 'The fleet cannot be read'), outage)
    }
    const known = new Set(this.#kinds.map(({ kind }) => kind))
    for (const [kind, link] of this.#links) {
      if (known.has(kind)) continue
      link.parentElement!.remove()
      this.#links.delete(kind)
    }
    for (const kind of this.#kinds) this.#updateLink(kind)
  }

  #updateLink ({ kind, counts, paused }: FleetKind): void {
    let link = this.#links.get(kind)
    if (link === undefined) {
      this.#links.set(kind, link = this.#link(kind, kind))
      this.#list.append(element('li', {}, link))
    }
    link.querySelector<HTMLElement>('.badge')!.hidden = paused !== true
    const told = link.querySelector('.counts')!
    if (counts === null) return setText(told, 'unknown')
    const { running, deferred, failed } = counts
    const text = `${count(running)} running · ${count(deferred)} deferred · `
    if (told.textContent === `${text}${count(failed)} failed`) return
    told.replaceChildren(element('span', {}, text, element('span', { class: failed > 0 && 'bad' }, `${count(failed)} failed`)))
  }

  #link (kind: string | undefined, text: string): HTMLAnchorElement {
    const link = element('a', { class: 'source', href: urlOf({ fleet: kind, name: '', limit: 50 }) },
      element('span', { class: 'of' }, element('span', {}, text), element('span', { class: 'badge', hidden: true }, 'paused')),
      element('span', { class: 'counts' })
    )
    link.addEventListener('click', event => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return
      event.preventDefault()
      this.#change({ fleet: kind, status: undefined, kind: undefined, name: '', cursor: undefined })
    })
    return link
  }
}
