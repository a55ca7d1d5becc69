import type { FleetKind, Schedule } from '../wire.ts'
import { button, byId, element, setText } from './element.ts'
import { date, duration, plural } from './format.ts'

/** What is told of the kind of the fleet whose tasks are in the table: whether it is paused, and its schedules. */
export class Kind {
  readonly #section = byId('kind')
  readonly #name = element('span')
  readonly #badge = element('span', { class: 'badge', hidden: true }, 'paused')
  readonly #pause: HTMLButtonElement
  readonly #schedules = element('details')
  readonly #summary = element('summary')
  readonly #list = element('ul', { class: 'schedules' })
  readonly #outage = element('p', { class: 'outage', hidden: true })
  #kind: FleetKind | undefined
  #shown = ''

  constructor (isReadOnly: boolean, onPause: (kind: FleetKind) => void) {
    this.#pause = button('Pause', () => this.#kind !== undefined && onPause(this.#kind))
    this.#schedules.append(this.#summary, this.#list)
    this.#section.append(
      element('h2', {}, this.#name, this.#badge),
      ...isReadOnly ? [] : [this.#pause],
      this.#outage,
      this.#schedules
    )
  }

  show (name: string | undefined, kind: FleetKind | undefined, outage: string | undefined): void {
    this.#kind = kind
    this.#section.hidden = name === undefined
    if (name === undefined) return
    setText(this.#name, name)
    const paused = kind?.paused ?? null
    this.#badge.hidden = paused !== true
    this.#pause.hidden = paused === null
    setText(this.#pause, paused === true ? 'Resume this kind' : 'Pause this kind')
    const error = kind?.error?.message ?? outage
    this.#outage.hidden = error === undefined
    setText(this.#outage, error ?? '')
    this.#showSchedules(kind?.schedules ?? [])
  }

  #showSchedules (schedules: Schedule[]): void {
    this.#schedules.hidden = schedules.length === 0
    const shown = JSON.stringify(schedules)
    if (this.#shown === shown) return
    this.#shown = shown
    setText(this.#summary, plural(schedules.length, 'schedule'))
    this.#list.replaceChildren(...schedules.map(item))
  }
}

function item ({ name, cron, timeZone, every, nextAt }: Schedule): HTMLElement {
  return element('li', {},
    element('strong', {}, name),
    element('span', {}, every === undefined ? `${cron ?? ''} ${timeZone ?? ''}` : `every ${duration(every)}`),
    element('span', { class: 'muted' }, `next ${date(nextAt)}`)
  )
}
