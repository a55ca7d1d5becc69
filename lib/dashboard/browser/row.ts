import type { TaskAction } from './actions.ts'
import { button, element, setAttribute, setText } from './element.ts'
import { age, date } from './format.ts'
import { inWords, showName, visible } from './name.ts'
import { Progress } from './progress.ts'
import { ageOf, type AnyTask, durationOf, errorOf, isRetrying, label, reasonOf, startOf, statusOf } from './task.ts'

export interface RowListener {
  onOpen: (task: AnyTask) => void
  /** What the button of a task does. Undefined if nothing can be done. */
  actionOf: (task: AnyTask) => TaskAction | undefined
}

/** A task in the table. It is updated in place: whatever changes in it, nothing around it moves. */
export class Row {
  readonly element: HTMLTableRowElement
  task: AnyTask
  readonly #listener: RowListener
  readonly #status = element('span', { class: 'state' })
  readonly #starts = element('span', { class: 'starts' })
  readonly #name: HTMLButtonElement
  readonly #kind = element('span', { class: 'of-kind' })
  readonly #progress = new Progress()
  readonly #error = element('span', { class: 'why' })
  readonly #age = cell('age')
  readonly #duration = cell('duration')
  readonly #button: HTMLButtonElement
  #action: TaskAction | undefined

  constructor (task: AnyTask, listener: RowListener) {
    this.task = task
    this.#listener = listener
    this.#name = button('', () => listener.onOpen(this.task), { class: 'open', 'aria-haspopup': 'dialog' })
    this.#button = button('', () => this.#action?.run(this.task))
    this.element = element('tr', { role: 'row' },
      cell('status', this.#status, this.#starts),
      element('th', { role: 'rowheader', scope: 'row', class: 'name' }, this.#name, this.#kind),
      cell('what', this.#progress.element, this.#error),
      this.#age,
      this.#duration,
      cell('action', this.#button)
    )
    this.element.addEventListener('click', ({ target }) => {
      const selects = getSelection()?.isCollapsed === false
      if (!selects && (target as Element).closest('button') === null) listener.onOpen(this.task)
    })
    // A button that has the focus stays as it is, so that the focus stays too.
    this.#button.addEventListener('blur', () => this.#updateButton())
  }

  get isGone () { return this.element.classList.contains('gone') }

  update (task: AnyTask, now: number): void {
    this.task = task
    this.element.classList.remove('gone')
    setAttribute(this.element, 'data-status', task.status)
    setAttribute(this.element, 'data-retrying', isRetrying(task))
    setAttribute(this.#status, 'data-status', task.status)
    setText(this.#status, statusOf(task))
    showName(this.#name, label(task))
    showName(this.#kind, task.kind ?? '')
    this.#updateWhat(task)
    setAttribute(this.#age, 'title', task.createdAt === undefined ? undefined : date(task.createdAt))
    this.tick(now)
    this.#updateButton()
  }

  /** Updates what changes with time alone. */
  tick (now: number): void {
    const { task } = this
    const added = ageOf(task, now)
    setText(this.#age, added === undefined ? '' : age(added))
    setText(this.#duration, durationOf(task, now))
    setText(this.#starts, startOf(task, now))
  }

  /** The task is not in the list any more, but the row has to stay for now. */
  leave (): void {
    this.element.classList.add('gone')
    this.#updateButton()
  }

  /** Moves the focus to this row: to its button if `other` is such a button, else to its name. */
  focusLike (other: Element): void {
    const isButton = other.closest('.action') !== null && !this.#button.hidden
    if (isButton) this.#button.focus()
    else this.#name.focus()
  }

  /** An error is shown in place of the progress. But a bar stays, since it shows how far the task came. */
  #updateWhat (task: AnyTask): void {
    const text = reasonOf(task)
    this.#progress.update(task.progress, task.status === 'completed')
    this.#progress.element.hidden = errorOf(task) !== undefined && !this.#progress.isBar
    const shown = visible(text.slice(0, 1000))
    setText(this.#error, shown)
    setAttribute(this.#error, 'title', shown || undefined)
  }

  #updateButton (): void {
    const action = this.isGone ? undefined : this.#listener.actionOf(this.task)
    const isKept = document.activeElement === this.#button && action !== this.#action
    setAttribute(this.#button, 'aria-disabled', isKept ? 'true' : undefined)
    if (isKept) return
    this.#action = action
    this.#button.hidden = action === undefined
    if (action === undefined) return
    setText(this.#button, action.short)
    setAttribute(this.#button, 'class', action.isDanger ? 'of-danger' : 'of-help')
    setAttribute(this.#button, 'aria-label', `${action.short} ${inWords(label(this.task))}`)
  }
}

function cell (name: string, ...children: Node[]): HTMLTableCellElement {
  return element('td', { role: 'cell', class: name }, ...children)
}
