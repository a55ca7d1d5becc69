import { button, element, setAttribute, setText } from './element.ts'
import { age, date } from './format.ts'
import { Progress } from './progress.ts'
import { ageOf, type AnyTask, durationOf, isSettled, label, reasonOf } from './task.ts'

export interface RowListener {
  onOpen: (task: AnyTask) => void
  /** None: nothing can be cancelled here. */
  onCancel?: ((task: AnyTask) => void) | undefined
}

/** A task in the table. It is updated in place: whatever changes in it, nothing around it moves. */
export class Row {
  readonly element: HTMLTableRowElement
  task: AnyTask
  readonly #status = element('span', { class: 'state' })
  readonly #name: HTMLButtonElement
  readonly #kind = cell('of-kind')
  readonly #progress = new Progress()
  readonly #age = cell('age')
  readonly #duration = cell('duration')
  readonly #error = element('span')
  readonly #cancel: HTMLButtonElement | undefined

  constructor (task: AnyTask, { onOpen, onCancel }: RowListener) {
    this.task = task
    this.#name = button('', () => onOpen(this.task), { class: 'open', 'aria-haspopup': 'dialog' })
    if (onCancel !== undefined) {
      this.#cancel = button('Cancel', () => this.#isCancellable && onCancel(this.task))
    }
    this.element = element('tr', { role: 'row' },
      cell('status', this.#status),
      element('th', { role: 'rowheader', scope: 'row', class: 'name' }, this.#name),
      this.#kind,
      cell('progress', this.#progress.element),
      this.#age,
      this.#duration,
      cell('error', this.#error),
      cell('action', ...this.#cancel === undefined ? [] : [this.#cancel])
    )
    this.element.addEventListener('click', ({ target }) => {
      const selects = getSelection()?.isCollapsed === false
      if (!selects && (target as Element).closest('button') === null) onOpen(this.task)
    })
    // A button that has the focus stays, so that the focus does; it goes with the focus.
    this.#cancel?.addEventListener('blur', () => this.#updateCancel())
  }

  get #isCancellable () { return !this.isGone && !isSettled(this.task) && this.task.status !== 'cancelling' }

  get isGone () { return this.element.classList.contains('gone') }

  update (task: AnyTask, now: number): void {
    this.task = task
    this.element.classList.remove('gone')
    setAttribute(this.element, 'data-status', task.status)
    setAttribute(this.#status, 'data-status', task.status)
    setText(this.#status, task.status)
    setTextAndTitle(this.#name, label(task))
    setTextAndTitle(this.#kind, task.kind ?? '')
    this.#progress.update(task.progress)
    setTextAndTitle(this.#error, reasonOf(task))
    setAttribute(this.#age, 'title', task.createdAt === undefined ? undefined : date(task.createdAt))
    this.tick(now)
    this.#updateCancel()
  }

  /** Updates what changes with time alone. */
  tick (now: number): void {
    const { task } = this
    const added = ageOf(task, now)
    setText(this.#age, added === undefined ? '' : age(added))
    setText(this.#duration, durationOf(task, now))
  }

  /** The task is in the list no more, while the row has to stay. */
  leave (): void {
    this.element.classList.add('gone')
    this.#updateCancel()
  }

  /** Moves the focus to what is in this row what `other` is in its own. */
  focusLike (other: Element): void {
    const target = other === other.closest('tr')?.querySelector('.action button') ? this.#cancel : this.#name
    if (target?.hidden === false) target.focus()
    else this.#name.focus()
  }

  #updateCancel (): void {
    if (this.#cancel === undefined) return
    const can = this.#isCancellable
    this.#cancel.hidden = !can && document.activeElement !== this.#cancel
    setAttribute(this.#cancel, 'aria-disabled', can ? undefined : 'true')
    setAttribute(this.#cancel, 'aria-label', `Cancel ${label(this.task)}`)
  }
}

function cell (name: string, ...children: Node[]): HTMLTableCellElement {
  return element('td', { role: 'cell', class: name }, ...children)
}

function setTextAndTitle (node: Element, text: string): void {
  setText(node, text)
  setAttribute(node, 'title', text || undefined)
}
