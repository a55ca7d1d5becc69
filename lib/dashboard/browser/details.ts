import { describe, ReplyError, request } from './api.ts'
import { button, byId, element, setAttribute, setText } from './element.ts'
import { block, date, elapsed } from './format.ts'
import { barOf, Progress } from './progress.ts'
import { ageOf, type AnyTask, durationOf, isSettled, key, label } from './task.ts'

const shownApart = new Set(['id', 'name', 'kind', 'status', 'progress', 'createdAt', 'startsAt', 'startedAt', 'settledAt', 'error', 'attempt', 'worker'])

export interface DetailsListener {
  now: () => number
  /** A task as it is to be shown. */
  see: (task: AnyTask) => AnyTask
  onCancel?: ((task: AnyTask) => void) | undefined
  onClose: () => void
}

/** Everything of one task, in a dialog, which follows the task until it has settled. */
export class Details {
  readonly #dialog = byId<HTMLDialogElement>('details')
  readonly #title = document.title
  readonly #name = element('h2', { id: 'details-name' })
  readonly #content = element('div', { class: 'inside' })
  readonly #age = element('dd')
  readonly #duration = element('dd')
  readonly #cancel: HTMLButtonElement | undefined
  readonly #listener: DetailsListener
  #isFetching = false
  #key: string | undefined
  #path = ''
  #task: AnyTask | undefined
  #shown = ''

  constructor (listener: DetailsListener) {
    this.#listener = listener
    const { onCancel } = listener
    if (onCancel !== undefined) this.#cancel = button('Cancel the task', () => this.#task !== undefined && onCancel(this.#task))
    const close = button('Close', () => this.#dialog.close(), { class: 'primary', autofocus: true })
    this.#dialog.append(
      element('div', { class: 'inside head' }, this.#name),
      this.#content,
      element('div', { class: 'inside foot buttons' }, ...this.#cancel === undefined ? [] : [this.#cancel], close)
    )
    this.#dialog.addEventListener('close', () => {
      this.#key = this.#task = undefined
      document.title = this.#title
      listener.onClose()
    })
    // A click on what is around it closes it.
    this.#dialog.addEventListener('click', ({ target }) => target === this.#dialog && this.#dialog.close())
  }

  /** What tells the task that is open from others. */
  get key () { return this.#key }

  /** Opens with what is known of a task, if anything is, and fetches the rest. */
  open (key: string, path: string, known?: AnyTask): void {
    this.#key = key
    this.#path = path
    this.#task = undefined
    this.#shown = ''
    setText(this.#name, 'Task')
    this.#content.replaceChildren()
    if (this.#cancel !== undefined) this.#cancel.hidden = true
    if (known !== undefined) this.show(known)
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#fetch()
  }

  close (): void {
    this.#dialog.close()
  }

  /** Reads the task again, unless nothing will change any more. */
  refresh (): void {
    if (this.#task !== undefined && !isSettled(this.#task) && !this.#isFetching) this.#fetch()
  }

  /** Shows a task if it is the one that is open. */
  show (task: AnyTask): void {
    if (key(task) !== this.#key) return
    this.#task = task
    if (this.#cancel !== undefined) {
      const ends = isSettled(task) || task.status === 'cancelling'
      if (ends && document.activeElement === this.#cancel) this.#dialog.querySelector<HTMLElement>('.primary')!.focus()
      this.#cancel.hidden = ends
    }
    // What has not changed is left alone: a selection in it lives on.
    const shown = JSON.stringify(task)
    if (this.#shown !== shown) {
      this.#shown = shown
      setText(this.#name, label(task))
      setAttribute(this.#content, 'data-status', task.status)
      document.title = `${label(task)} · ${this.#title}`
      this.#content.replaceChildren(...this.#sections(task))
    }
    this.tick()
  }

  tick (): void {
    if (this.#task === undefined) return
    const now = this.#listener.now()
    const added = ageOf(this.#task, now)
    setText(this.#duration, durationOf(this.#task, now) || 'has not started')
    setText(this.#age, added === undefined ? '' : `${elapsed(added)} ago, ${date(this.#task.createdAt!)}`)
  }

  async #fetch (): Promise<void> {
    const key = this.#key
    this.#isFetching = true
    try {
      const task = this.#listener.see(await request<AnyTask>('GET', this.#path))
      if (key === this.#key) this.show(task)
    } catch (error) {
      if (key !== this.#key) return
      const known = this.#task
      const isGone = error instanceof ReplyError && error.status === 404
      if (known !== undefined && !isGone) return
      // What was shown last stays, with a word on why it is the last.
      this.#content.replaceChildren(
        element('p', { class: 'because cancelled', role: 'status' }, describe(error)),
        ...known === undefined ? [] : this.#sections(known)
      )
      this.#task = undefined
      if (this.#cancel !== undefined) this.#cancel.hidden = true
    } finally {
      this.#isFetching = false
    }
  }

  #sections (task: AnyTask): HTMLElement[] {
    const sections: HTMLElement[] = []
    const { error, worker } = task
    if (error !== undefined && error !== null) {
      sections.push(element('p', { class: `because ${task.status}` }, ...because(error)))
    }
    const list = element('dl')
    const add = (term: string, value: Node | string | undefined) => {
      if (value === undefined || value === '') return
      list.append(element('dt', {}, term), value instanceof HTMLElement && value.tagName === 'DD' ? value : element('dd', {}, value))
    }
    add('Status', element('span', { class: 'state', 'data-status': task.status }, task.status))
    add('Kind', task.kind)
    add('Id', task.id === undefined ? undefined : String(task.id))
    add('Progress', progressOf(task.progress))
    add('Duration', this.#duration)
    if (task.createdAt !== undefined) add('Added', this.#age)
    add('Starts', dateOf(task.startsAt))
    add('Started', dateOf(task.startedAt))
    add('Settled', dateOf(task.settledAt))
    add('Attempt', task.attempt === undefined ? undefined : String(task.attempt))
    add('Runs on', worker === undefined ? undefined : workerOf(worker))
    sections.push(list)
    for (const [name, value] of Object.entries(task)) {
      if (!shownApart.has(name) && value !== null) sections.push(field(name, value))
    }
    if (typeof task.progress === 'object' && task.progress !== null) sections.push(field('progress', task.progress))
    return sections
  }
}

function because (error: NonNullable<AnyTask['error']> | string): Array<Node | string> {
  if (typeof error === 'string') return [error]
  const { name, message, code } = error
  return [element('strong', {}, code === undefined ? name : `${name} (${code})`), message === '' ? '' : `: ${message}`]
}

function field (name: string, value: unknown): HTMLElement {
  return element('section', {},
    element('h3', {}, name),
    element('pre', { tabindex: '0', 'aria-label': name }, block(value))
  )
}

function progressOf (progress: unknown): Node | string | undefined {
  if (progress === undefined || progress === null) return undefined
  if (barOf(progress) === undefined) return typeof progress === 'object' ? undefined : String(progress)
  const shown = new Progress()
  shown.update(progress)
  return shown.element
}

function dateOf (time: unknown): string | undefined {
  return typeof time === 'string' ? date(time) : undefined
}

function workerOf (worker: unknown): string {
  const { host, pid } = worker as { host?: unknown, pid?: unknown }
  return `${host}, process ${pid}`
}
