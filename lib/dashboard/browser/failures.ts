import type { Failures as Reply, FleetList } from '../wire.ts'
import { request } from './api.ts'
import type { TaskAction } from './actions.ts'
import { button, byId, element, setAttribute, setHidden, setText } from './element.ts'
import { age, count, plural } from './format.ts'
import { inWords, showName, visible } from './name.ts'
import { type AnyTask, isOfFleet, key, label, reasonOf } from './task.ts'
import { queryOf, type View } from './view.ts'

const shown = 4
/** Milliseconds between two readings, at least. */
const rest = 2000
const longestRest = 15_000

export interface FailuresListener {
  now: () => number
  onOpen: (task: AnyTask) => void
  onAll: () => void
  retry: TaskAction
  /** How many have failed, once that is known. */
  onTotal: (total: number) => void
}

/** The panel above the table with the tasks that failed last: why each failed, and a button that retries it. */
export class Failures {
  readonly #panel = byId<HTMLDetailsElement>('failures')
  readonly #list = element('ul')
  readonly #none = element('p', { class: 'idle' }, 'Nothing has failed')
  readonly #all: HTMLButtonElement
  readonly #new: HTMLButtonElement
  readonly #listener: FailuresListener
  #path = ''
  #hasFleet = false
  /** The tasks that are shown, and those that will be shown once the pointer and the focus have left. */
  #tasks: AnyTask[] = []
  #waiting: AnyTask[] | undefined
  #signs = ''
  #signsRead = ''
  #readAt = -Infinity

  constructor (hasFleet: boolean, listener: FailuresListener) {
    this.#hasFleet = hasFleet
    this.#listener = listener
    this.#all = button('', listener.onAll, { class: 'small all', hidden: true })
    this.#new = button('', () => {
      this.#release()
      this.#list.querySelector<HTMLElement>('.open')?.focus()
    }, { class: 'small new', hidden: true })
    byId('failures-content').append(this.#none, this.#list)
    byId('failures-head').append(this.#new, this.#all)
    // While the focus leaves an element, it has not reached the next one yet.
    const left = () => setTimeout(() => { if (!this.#isHeld) this.#release() })
    this.#panel.addEventListener('pointerleave', left)
    this.#panel.addEventListener('focusout', left)
  }

  show ({ fleet }: View): void {
    const path = fleet ? `kinds/tasks?${queryOf({ kind: fleet, status: 'failed', limit: String(shown) })}` : `failures?scope=${fleet === '' ? 'fleet' : this.#hasFleet ? 'all' : 'process'}&limit=${shown}`
    if (path === this.#path) return
    this.#path = path
    this.#signsRead = ''
    this.#readAt = -Infinity
    this.tick()
  }

  /** Reads the failures again if these signs have changed: the time of the latest, the counts of the fleet. */
  changed (signs: string): void {
    this.#signs = signs
    this.tick()
  }

  /** Reads the failures again, whatever has changed. */
  reload (): void {
    this.#signsRead = ''
    this.#readAt = -Infinity
    this.tick()
  }

  /** Reads the failures again if the last reading is old. Once a kind drops its oldest failed tasks, a new failure does not change its count. */
  expire (): void {
    if (performance.now() - this.#readAt >= longestRest) this.reload()
  }

  tick (): void {
    const now = this.#listener.now()
    for (const [i, task] of this.#tasks.entries()) {
      const time = this.#list.children[i]?.querySelector('.ago')
      if (time && task.settledAt !== undefined) setText(time, `${age(now - Date.parse(task.settledAt))} ago`)
    }
    if (this.#signs !== this.#signsRead && performance.now() - this.#readAt >= rest) this.#read()
  }

  async #read (): Promise<void> {
    const path = this.#path
    this.#signsRead = this.#signs
    this.#readAt = performance.now()
    const reply = await request<Reply | FleetList>('GET', path).catch(() => undefined)
    if (path !== this.#path || reply === undefined) return // the table shows them too, or says why it cannot
    const tasks = 'tasks' in reply ? reply.tasks : reply.failures.map(({ task }) => task)
    const total = reply.total ?? tasks.length
    setText(this.#all, `All ${count(total)}`)
    setHidden(this.#all, total === 0, () => this.#panel.querySelector('summary')!)
    setText(byId('failures-summary'), total === 0 ? 'nothing' : `${count(total)}: ${inWords(label(tasks[0]!))}`)
    this.#listener.onTotal(total)
    this.#offer(tasks)
  }

  get #isHeld () { return this.#panel.matches(':focus-within') || (matchMedia('(hover: hover)').matches && this.#panel.matches(':hover')) }

  /** Nothing moves under the pointer or the focus: new failures wait, and a button says how many there are. */
  #offer (tasks: AnyTask[]): void {
    const known = new Set(this.#tasks.map(identity))
    const added = tasks.filter(task => !known.has(identity(task))).length
    this.#waiting = tasks
    if (!this.#isHeld || this.#tasks.length === 0) return this.#release()
    this.#new.hidden = added === 0
    setText(this.#new, `Show ${count(added)} new`)
    setAttribute(this.#new, 'aria-label', `Show ${plural(added, 'new failure')}`)
  }

  #release (): void {
    if (this.#waiting === undefined) return
    this.#tasks = this.#waiting
    this.#waiting = undefined
    this.#new.hidden = true
    this.#none.hidden = this.#tasks.length > 0
    this.#panel.classList.toggle('some', this.#tasks.length > 0)
    this.#list.replaceChildren(...this.#tasks.map(task => this.#item(task)))
    this.tick()
  }

  #item (task: AnyTask): HTMLElement {
    const { onOpen, retry } = this.#listener
    const name = button('', () => onOpen(task), { class: 'open', 'aria-haspopup': 'dialog' })
    showName(name, label(task))
    const why = visible(reasonOf(task).slice(0, 500))
    return element('li', {},
      name,
      element('span', { class: 'why', title: why }, isOfFleet(task) && this.#path.startsWith('failures') && element('span', { class: 'muted' }, `${visible(task.kind)} `), why),
      element('span', { class: 'ago muted' }),
      retry.isPossible(task) && button(retry.short, () => retry.run(task), { class: 'small', 'aria-label': `${retry.short} ${inWords(label(task))}` })
    )
  }
}

/** Identifies a failure. A task that is retried may fail again. */
function identity (task: AnyTask): string {
  return `${key(task)} ${task.settledAt}`
}
