import type { TaskList, TaskRow } from '../wire.ts'
import { request } from './api.ts'
import { button, byId, element } from './element.ts'
import { elapsed } from './format.ts'
import { label, reasonOf } from './task.ts'
import { isFiltered, type View } from './view.ts'

const shown = 3
const restMs = 2000

export interface FailuresListener {
  now: () => number
  onOpen: (task: TaskRow) => void
}

/** The latest failures, above the table: what failed last, and why, though newer tasks fill the page. */
export class Failures {
  readonly #panel = byId('failures')
  readonly #listener: FailuresListener
  #view: View | undefined
  /** How many tasks have failed; how many had when the latest were read. */
  #count = 0
  #countRead = 0
  #readAt = -Infinity
  #isNew = true

  constructor (listener: FailuresListener) {
    this.#listener = listener
  }

  /** A filter shows what was asked for, and nothing beside it. */
  show (view: View): void {
    const isWhole = view.fleet === undefined && view.cursor === undefined && !isFiltered(view)
    this.#view = isWhole ? view : undefined
    this.#count = this.#countRead = 0
    this.#readAt = -Infinity
    this.#isNew = true
    this.#panel.hidden = true
  }

  count (failed: number): void {
    this.#count = failed
    this.tick()
    this.#isNew = false
  }

  /** Reads the latest when there are others, unless someone may be about to click on what they would move. */
  async tick (): Promise<void> {
    const view = this.#view
    if (view === undefined || this.#count === this.#countRead || performance.now() - this.#readAt < restMs) return
    if (!this.#isNew && document.querySelector('main:is(:hover, :focus-within)') !== null) return
    this.#countRead = this.#count
    this.#readAt = performance.now()
    const failures = await latest()
    if (view === this.#view) this.#render(failures)
  }

  #render (failures: TaskRow[]): void {
    const { now, onOpen } = this.#listener
    this.#panel.hidden = failures.length === 0
    this.#panel.replaceChildren(element('h2', {}, 'Failed last'), element('ul', {}, ...failures.map(task =>
      element('li', {},
        button(label(task), () => onOpen(task), { class: 'open', 'aria-haspopup': 'dialog' }),
        element('span', { class: 'why' }, reasonOf(task)),
        element('span', { class: 'muted' }, task.settledAt === undefined ? '' : `${elapsed(now() - Date.parse(task.settledAt))} ago`)
      )
    )))
  }
}

/** Without them the table still tells. */
async function latest (): Promise<TaskRow[]> {
  const list = request<TaskList>('GET', `tasks?status=failed&limit=${shown}`)
  return await list.then(({ tasks }) => tasks, () => [])
}
