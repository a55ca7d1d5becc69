import type { FleetKind, Schedule } from '../wire.ts'
import { button, byId, element, setText } from './element.ts'
import { date, duration, plural } from './format.ts'

/** What is told of the kind of the fleet whose tasks are in the table: whether it is paused, and its schedules. */
export class Kind {
  readonly #section = byId('kind')
  readonly #name = element('span')
  readonly #badge = element('span', { class: 'badge', hidden: true }, 'paused')
  readonly #pause: HTMLButtonElement
  readonly #resume: HTMLButtonElement
  readonly #schedules = element('details')
  readonly #summary = element('summary')
  readonly #list = element('ul', { class: 'schedules' })
  #kind: FleetKind | undefined
  #shown = ''

  constructor (isReadOnly: boolean, onPause: (kind: string, paused: boolean) => void) {
    this.#pause = button('Pause this kind', () => this.#kind !== undefined && onPause(this.#kind.kind, true))
    this.#resume = button('Resume this kind', () => this.#kind !== undefined && onPause(this.#kind.kind, false))
    this.#schedules.append(this.#summary, this.#list)
    this.#section.append(
      element('h2', {}, this.#name, this.#badge),
      ...isReadOnly ? [] : [this.#pause, this.#resume],
      this.#schedules
    )
  }

  show (name: string | undefined, kind: FleetKind | undefined): void {
    this.#kind = kind
    this.#section.hidden = name === undefined
    if (name === undefined) return
    setText(this.#name, name)
    // Where it is not told whether a kind is paused, both can be done.
    this.#badge.hidden = kind?.paused !== true
    this.#pause.hidden = kind === undefined || kind.paused === true
    this.#resume.hidden = kind === undefined || kind.paused === false
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
