import { byId, setAttribute, setText } from './element.ts'
import { plural } from './format.ts'
import { Row, type RowListener } from './row.ts'
import { type AnyTask, key } from './task.ts'

const hovers = matchMedia('(hover: hover)')

/**
 * The table of tasks. While the focus or the pointer is in it, or the pointer is on the pager below it, rows are neither added
 * nor removed nor moved. A button says how many are new; they are shown once the focus and the pointer have left.
 */
export class Table {
  readonly #body = byId<HTMLTableElement>('tasks').tBodies[0]!
  readonly #waiting = byId<HTMLButtonElement>('waiting')
  readonly #listener: RowListener
  readonly #now: () => number
  readonly #rows = new Map<string, Row>()
  #tasks: AnyTask[] = []

  constructor (listener: RowListener, now: () => number) {
    this.#listener = listener
    this.#now = now
    // While the focus leaves an element, it has not reached the next one yet.
    const left = () => setTimeout(() => this.#arrange(this.#isHeld))
    this.#body.addEventListener('focusout', left)
    this.#body.addEventListener('pointerleave', left)
    byId('pages').addEventListener('pointerleave', left)
    for (const dialog of document.querySelectorAll('dialog')) dialog.addEventListener('close', left)
    this.#body.addEventListener('keydown', event => this.#onKey(event))
    this.#waiting.addEventListener('click', () => {
      this.#arrange(false)
      byId('tasks').focus()
    })
  }

  update (tasks: AnyTask[]): void {
    this.#tasks = tasks
    this.#arrange(this.#rows.size > 0 && this.#isHeld)
  }

  /** Another list was requested. Until it comes, the old one stays. */
  wait (): void {
    setAttribute(byId('tasks'), 'aria-busy', 'true')
  }

  /** Shows another list at once, even under the focus or the pointer, since the user has asked for it. */
  replace (tasks: AnyTask[]): void {
    this.#tasks = tasks
    setAttribute(byId('tasks'), 'aria-busy', undefined)
    this.#arrange(false)
  }

  /** Shows a task that has changed, such as one that is being cancelled. */
  refresh (task: AnyTask): void {
    this.#tasks = this.#tasks.map(known => key(known) === key(task) ? task : known)
    this.#rows.get(key(task))?.update(task, this.#now())
  }

  tick (): void {
    const now = this.#now()
    for (const row of this.#rows.values()) if (!row.isGone) row.tick(now)
  }

  get #isHeld () {
    const held = '#tasks tbody:focus-within, dialog[open]'
    return document.querySelector(hovers.matches ? `${held}, :is(#tasks tbody, #pages):hover` : held) !== null
  }

  #arrange (held: boolean): void {
    const now = this.#now()
    const listed = new Set(this.#tasks.map(key))
    for (const [key, row] of this.#rows) {
      if (listed.has(key)) continue
      if (held) row.leave()
      else this.#drop(key, row)
    }
    let missing = 0
    let next = this.#body.firstChild
    for (const task of this.#tasks) {
      let row = this.#rows.get(key(task))
      if (row === undefined) {
        if (held) {
          missing++
          continue
        }
        this.#rows.set(key(task), row = new Row(task, this.#listener))
      }
      row.update(task, now)
      if (held) continue
      if (row.element === next) next = next.nextSibling
      else this.#body.insertBefore(row.element, next)
    }
    this.#waiting.hidden = missing === 0
    setText(this.#waiting, `Show ${plural(missing, 'new task')}`)
  }

  #drop (key: string, row: Row): void {
    row.element.remove()
    this.#rows.delete(key)
  }

  /** The arrow keys go from row to row. */
  #onKey (event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const from = event.target as Element
    const at = from.closest('tr')!
    const to = event.key === 'ArrowDown' ? at.nextElementSibling : at.previousElementSibling
    if (to === null) return
    event.preventDefault()
    for (const row of this.#rows.values()) if (row.element === to) row.focusLike(from)
  }
}
