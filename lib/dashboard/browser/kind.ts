import type { FleetKind, KindWorker, Schedule } from '../wire.ts'
import { describe, request } from './api.ts'
import { button, byId, element, setHidden, setText } from './element.ts'
import { age, count, date, duration, elapsed, plural, until } from './format.ts'
import { inWords, showName, visible } from './name.ts'
import { notify } from './notice.ts'
import { ask } from './question.ts'
import { queryOf } from './view.ts'

/** The panel of the kind whose tasks are in the table: whether it is paused, how long tasks wait, where they run, and its schedules. */
export class Kind {
  readonly #section = byId('kind')
  readonly #name = element('span')
  readonly #badge = element('span', { class: 'badge', hidden: true }, 'paused')
  readonly #latency = element('span')
  readonly #pause: HTMLButtonElement
  readonly #workers = foldable()
  readonly #schedules = foldable()
  readonly #onChange: () => void
  #kind: FleetKind | undefined
  #readAt = 0

  constructor (onChange: () => void) {
    this.#onChange = onChange
    this.#pause = button('', () => { this.#togglePause() })
    this.#section.append(
      element('h2', {}, this.#name, this.#badge),
      this.#pause,
      this.#latency,
      this.#workers.element,
      this.#schedules.element
    )
  }

  show (name: string | undefined, kind: FleetKind | undefined, now: number): void {
    if (kind !== this.#kind) this.#readAt = now
    this.#kind = kind
    this.#section.hidden = !name
    if (!name) return
    showName(this.#name, name)
    this.#badge.hidden = kind?.paused !== true
    setText(this.#pause, kind?.paused === true ? 'Resume this kind' : 'Pause this kind')
    setHidden(this.#pause, kind?.can?.includes('pause') !== true, () => byId('search'))
    this.tick(now)
  }

  /** Updates what changes with time. */
  tick (now: number): void {
    if (this.#section.hidden || this.#kind === undefined) return
    const { kind, latency, workers, schedules, can } = this.#kind
    const waited = latency === null || latency === 0 ? latency : latency + now - this.#readAt
    setText(this.#latency, waited === null ? '' : waited === 0 ? 'Nothing waits' : `The oldest task has waited ${elapsed(waited)}`)
    this.#latency.classList.toggle('bad', waited !== null && waited > 60_000)
    this.#workers.show(workers === null ? '' : workers.length === 0 ? 'No process runs its tasks' : workers.length === 1 ? '1 process runs its tasks' : `${count(workers.length)} processes run its tasks`, workers ?? [], worker => workerItem(worker, now))
    this.#workers.element.classList.toggle('bad', workers?.length === 0)
    this.#schedules.show(plural(schedules?.length ?? 0, 'schedule'), schedules ?? [], schedule => this.#scheduleItem(kind, schedule, can?.includes('schedule') === true, now))
  }

  async #togglePause (): Promise<void> {
    const { kind, paused } = this.#kind!
    const pauses = paused !== true
    try {
      await request(pauses ? 'PUT' : 'DELETE', `kinds/pause?${queryOf({ kind })}`)
      notify(pauses ? `${inWords(kind)} is paused: running tasks go on, no other starts.` : `${inWords(kind)} is resumed.`)
    } catch (error) {
      notify(`${inWords(kind)} was not ${pauses ? 'paused' : 'resumed'}. ${describe(error)}`, 'bad')
    }
    this.#onChange()
  }

  #scheduleItem (kind: string, { name, cron, timeZone, every, nextAt }: Schedule, mayChange: boolean, now: number): HTMLElement {
    const shown = inWords(name)
    return element('li', { 'data-key': name },
      element('strong', {}, visible(name)),
      element('span', {}, every === undefined ? `${cron ?? ''} ${timeZone ?? ''}` : `every ${duration(every)}`),
      element('span', { class: 'muted', title: date(nextAt) }, `next ${until(nextAt - now)}`),
      mayChange && button('Run now', () => { this.#run(kind, name) }, { class: 'small', 'aria-label': `Run now ${shown}` }),
      mayChange && button('Remove', () => { this.#remove(kind, name) }, { class: 'small', 'aria-label': `Remove ${shown}` })
    )
  }

  async #run (kind: string, name: string): Promise<void> {
    const shown = inWords(name)
    const yes = await ask({ title: `Run ${shown} now?`, text: 'A task with the data of the schedule is added. It starts as soon as a process is free. The time of the next task stays the same.', yes: 'Run it now', no: 'Leave it', isHarmless: true })
    if (yes) await this.#send('PUT', `kinds/schedules/run?${queryOf({ kind, name })}`, `${shown} has been started.`, `${shown} was not started.`)
  }

  async #remove (kind: string, name: string): Promise<void> {
    const shown = inWords(name)
    const yes = await ask({ title: `Remove the schedule ${shown}?`, text: 'Its next task is removed, and no other is added. If a process sets the schedule whenever it starts, the schedule comes back.', yes: 'Remove it', no: 'Keep it' })
    if (yes) await this.#send('DELETE', `kinds/schedules?${queryOf({ kind, name })}`, `${shown} is removed.`, `${shown} was not removed.`)
  }

  async #send (method: 'PUT' | 'DELETE', path: string, done: string, notDone: string): Promise<void> {
    try {
      await request(method, path)
      notify(done)
    } catch (error) {
      notify(`${notDone} ${describe(error)}`, 'bad')
    }
    this.#onChange()
  }
}

function workerItem ({ host, pid, since }: KindWorker, now: number): HTMLElement {
  return element('li', {},
    element('strong', {}, visible(host)),
    element('span', {}, `process ${pid}`),
    since !== null && element('span', { class: 'muted' }, `for ${age(now - since)}`)
  )
}

/** A list that is folded under its number. Its items are made again only if they differ, so that the focus stays. */
function foldable () {
  const summary = element('summary')
  const list = element('ul', { class: 'items' })
  const details = element('details', { hidden: true }, summary, list)
  return {
    element: details,
    show<Item> (title: string, items: Item[], make: (item: Item) => HTMLElement) {
      setHidden(details, title === '' || (items.length === 0 && title.startsWith('0')), () => byId('search'))
      setText(summary, title)
      const made = items.map(make)
      for (const [i, item] of made.entries()) {
        const old = list.children[i]
        if (old?.textContent !== item.textContent) update(list, old, item)
      }
      while (list.children.length > made.length) {
        const last = list.lastElementChild!
        if (last.contains(document.activeElement)) summary.focus()
        last.remove()
      }
    }
  }
}

/** Replaces an item by another. If only a text differs, such as a time, the buttons beside it stay and keep the focus. */
function update (list: HTMLElement, old: Element | undefined, item: HTMLElement): void {
  if (old === undefined) return list.append(item)
  const isSame = old.children.length === item.children.length && old.getAttribute('data-key') === item.getAttribute('data-key')
  if (!isSame) {
    if (old.contains(document.activeElement)) byId('search').focus()
    return old.replaceWith(item)
  }
  for (const [i, child] of [...item.children].entries()) if (child.tagName !== 'BUTTON') setText(old.children[i]!, child.textContent ?? '')
}
