import type { Inspection, Worker } from '../wire.ts'
import type { TaskAction } from './actions.ts'
import { describe, ReplyError, request } from './api.ts'
import { copyButton } from './copy.ts'
import { button, byId, element, setAttribute, setHidden, setText } from './element.ts'
import { block, elapsed, moment } from './format.ts'
import { inWords, visible, visibleLines } from './name.ts'
import { notify } from './notice.ts'
import { barOf, Progress } from './progress.ts'
import { ageOf, type AnyTask, can, durationOf, errorOf, isRetrying, isSettled, key, label, path, startOf, statusOf } from './task.ts'
import { timeline } from './timeline.ts'
import { why } from './why.ts'

/** Properties that have a place of their own. The others, which `serialize` adds, are shown below. */
const shownApart = new Set(['id', 'name', 'kind', 'status', 'progress', 'createdAt', 'startsAt', 'startedAt', 'settledAt', 'error', 'attempt', 'attempts', 'maxAttempts', 'worker', 'can'])
/** After so many milliseconds an open task that is not in the list is read again. */
const readEvery = 5000
const longestTitle = 60

export interface DetailsListener {
  now: () => number
  /** Returns a task as it is to be shown. */
  see: (task: AnyTask) => AnyTask
  /** Returns true while a task is being dropped. It is not read then: the server would answer that there is none. */
  isDropping: (task: AnyTask) => boolean
  actions: readonly TaskAction[]
  onTitle: (title: string | undefined) => void
  onClose: () => void
}

/** The dialog with the details of one task. It follows the task until it has settled. */
export class Details {
  readonly #dialog = byId<HTMLDialogElement>('details')
  readonly #name = element('h2', { id: 'details-name', tabindex: '0' })
  readonly #note = element('p', { class: 'because cancelled', hidden: true })
  readonly #content = element('div', { class: 'inside' })
  readonly #added = element('dd')
  readonly #duration = element('dd')
  readonly #starts = element('dd')
  readonly #close: HTMLButtonElement
  readonly #actions: Array<{ action: TaskAction, button: HTMLButtonElement }>
  readonly #listener: DetailsListener
  /** The sections that are shown, by name, each with the JSON of what it shows. */
  readonly #sections = new Map<string, { element: HTMLElement, shown: string }>()
  #isFetching = false
  /** True if the task has changed, or another one was opened, since the last request began. */
  #isOutdated = false
  #readAt = 0
  #key: string | undefined
  #path = ''
  #task: AnyTask | undefined
  #listed: string | undefined
  /** Data, result and stack, once they were requested, and the status and time of the task at that moment. */
  #inspection: { of: string, told: Inspection } | undefined

  constructor (listener: DetailsListener) {
    this.#listener = listener
    this.#close = button('Close', () => this.#dialog.close(), { class: 'primary', autofocus: true })
    this.#actions = listener.actions.map(action => ({
      action,
      button: button(action.long, () => this.#task !== undefined && action.run(this.#task), { class: action.isDanger && 'danger' })
    }))
    this.#dialog.append(
      element('div', { class: 'inside head' }, this.#name, element('div', { class: 'copies' },
        copyButton('Copy name', () => this.#task?.name ?? ''),
        copyButton('Copy link', () => location.href)
      )),
      element('div', { class: 'inside note' }, this.#note),
      this.#content,
      element('div', { class: 'inside foot buttons' }, ...this.#actions.map(({ button }) => button), this.#close),
      element('p', { class: 'unseen announcement', role: 'status' })
    )
    this.#dialog.addEventListener('close', () => {
      this.#key = this.#task = undefined
      listener.onTitle(undefined)
      listener.onClose()
    })
    // A click beside the dialog closes it.
    this.#dialog.addEventListener('click', ({ target }) => target === this.#dialog && this.#dialog.close())
  }

  /** Identifies the open task. */
  get key () { return this.#key }

  /** Opens with what is known of a task, and reads the rest. */
  open (key: string, path: string, known?: AnyTask): void {
    this.#key = key
    this.#path = path
    this.#task = this.#inspection = undefined
    this.#listed = known && JSON.stringify(known)
    this.#note.hidden = true
    this.#sections.clear()
    this.#content.replaceChildren()
    this.#content.classList.remove('gone')
    setText(this.#name, 'Task')
    for (const { button } of this.#actions) button.hidden = true
    if (known !== undefined) this.show(known)
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#read()
  }

  close (): void {
    this.#dialog.close()
  }

  /** Reads the task again if it has changed in the list. */
  changed (tasks: AnyTask[]): void {
    if (this.#key === undefined) return
    const row = tasks.find(task => key(task) === this.#key)
    const listed = row && JSON.stringify(row)
    if (listed === this.#listed) return
    this.#listed = listed
    this.#read()
  }

  /** Shows a task if it is the one that is open. */
  show (task: AnyTask): void {
    if (key(task) !== this.#key) return
    this.#task = task
    for (const { action, button } of this.#actions) setHidden(button, !action.isPossible(task), () => this.#close)
    setText(this.#name, visible(label(task)))
    setAttribute(this.#content, 'data-status', task.status)
    this.#listener.onTitle(inWords(label(task).slice(0, longestTitle)))
    this.#showSections(task)
    this.tick()
    // A failed task is inspected at once, to show why it failed. Another one is inspected when the user asks for it.
    const isOf = `${task.status} ${task.settledAt}`
    if (can('inspect', task) && (task.status === 'failed' || this.#inspection !== undefined) && this.#inspection?.of !== isOf) this.#inspect(task, isOf)
  }

  /** Updates what changes with time alone. */
  tick (): void {
    if (this.#task === undefined) return
    const now = this.#listener.now()
    const added = ageOf(this.#task, now)
    setText(this.#duration, durationOf(this.#task, now) || pauseOf(this.#task))
    setText(this.#added, added === undefined ? '' : `${elapsed(added)} ago`)
    setText(this.#starts, startOf(this.#task, now))
    const isFollowed = !isSettled(this.#task) && this.#listed === undefined
    if (isFollowed && performance.now() - this.#readAt >= readEvery) this.#read()
  }

  async #read (): Promise<void> {
    if (this.#task !== undefined && this.#listener.isDropping(this.#task)) return
    this.#isOutdated = this.#isFetching
    if (this.#isFetching) return
    const key = this.#key
    this.#isFetching = true
    this.#readAt = performance.now()
    try {
      const task = this.#listener.see(await request<AnyTask>('GET', this.#path))
      if (key === this.#key) {
        this.#note.hidden = true
        this.show(task)
      }
    } catch (error) {
      if (key === this.#key) this.#failed(error)
    } finally {
      this.#isFetching = false
    }
    if (this.#isOutdated && this.#key !== undefined) this.#read()
  }

  async #inspect (task: AnyTask, of = `${task.status} ${task.settledAt}`): Promise<void> {
    this.#inspection = { of, told: this.#inspection?.told ?? {} }
    const told = await request<Inspection>('GET', path(task, 'inspect')).catch((error: unknown) => {
      if (task.status !== 'failed') notify(`Data and result cannot be read. ${describe(error)}`, 'bad')
      return {}
    })
    if (key(task) !== this.#key || this.#inspection?.of !== of) return
    this.#inspection = { of, told }
    if (this.#task !== undefined) this.#showSections(this.#task)
  }

  /** If the task is gone, its last state stays, with a note that says so. */
  #failed (error: unknown): void {
    const isGone = error instanceof ReplyError && error.status === 404
    if (this.#task !== undefined && !isGone) return
    setText(this.#note, describe(error))
    this.#note.hidden = false
    if (!isGone) return
    this.#task = undefined
    this.#content.classList.add('gone')
    for (const { button } of this.#actions) setHidden(button, true, () => this.#close)
  }

  /** Makes the sections that have changed. The others stay as they are, with the focus and the selection in them. */
  #showSections (task: AnyTask): void {
    const { error: _, attempts, ...rest } = task
    const inspection = this.#inspection?.told ?? {}
    const error = inspection.error ?? errorOf(task)
    const wanted = new Map<string, [shows: unknown, make: () => HTMLElement]>()
    if (error !== undefined) wanted.set('error', [[error, task.status], () => why(error, task.status)])
    wanted.set('facts', [[task.status, task.kind, task.id, task.progress, task.worker, task.attempt, task.maxAttempts, task.startsAt], () => this.#facts(task)])
    wanted.set('timeline', [[task.createdAt, task.startsAt, task.startedAt, task.settledAt, task.status, attempts, task.attempt], () => timeline(task)])
    if (typeof task.progress === 'object' && task.progress !== null) wanted.set('progress', [task.progress, () => field('progress', task.progress)])
    for (const [name, value] of Object.entries(rest)) {
      if (!shownApart.has(name) && value !== null) wanted.set(name, [value, () => field(name, value)])
    }
    for (const name of ['data', 'result'] as const) {
      if (inspection[name] !== undefined) wanted.set(name, [inspection[name], () => field(name, inspection[name])])
    }
    if (can('inspect', task) && this.#inspection === undefined) {
      wanted.set('inspect', ['', () => element('div', {}, button('Show data and result', () => { this.#inspect(task) }))])
    }
    const hadFocus = this.#content.contains(document.activeElement)
    this.#replaceSections(wanted)
    if (hadFocus && !this.#dialog.contains(document.activeElement)) this.#name.focus()
  }

  #replaceSections (wanted: Map<string, [shows: unknown, make: () => HTMLElement]>): void {
    for (const [name, { element }] of this.#sections) {
      if (wanted.has(name)) continue
      element.remove()
      this.#sections.delete(name)
    }
    let next = this.#content.firstElementChild
    for (const [name, [shows, make]] of wanted) {
      const shown = JSON.stringify(shows)
      const known = this.#sections.get(name)
      if (known?.shown === shown && known.element === next) {
        next = next.nextElementSibling
        continue
      }
      const element = known?.shown === shown ? known.element : make()
      if (known !== undefined && known.element !== element) {
        if (known.element === next) next = next.nextElementSibling
        if (known.element instanceof HTMLDetailsElement) setAttribute(element, 'open', known.element.open)
        known.element.remove()
      }
      this.#content.insertBefore(element, next)
      this.#sections.set(name, { element, shown })
    }
  }

  #facts (task: AnyTask): HTMLElement {
    const { status, worker, attempt, maxAttempts } = task
    const list = element('dl')
    const add = (term: string, value: Node | string | undefined) => {
      if (value === undefined || value === '') return
      list.append(element('dt', {}, term), value instanceof HTMLElement && value.tagName === 'DD' ? value : element('dd', {}, value))
    }
    add('Status', element('span', { class: 'state', 'data-status': status }, statusOf(task)))
    if (startOf(task, this.#listener.now()) !== '') add('Starts', this.#starts)
    add('Kind', task.kind === undefined ? undefined : visible(task.kind))
    add('Id', task.id === undefined ? undefined : String(task.id))
    add('Progress', progressOf(task))
    add('Duration', this.#duration)
    if (task.createdAt !== undefined) {
      setAttribute(this.#added, 'title', moment(Date.parse(task.createdAt)))
      add('Added', this.#added)
    }
    if (typeof attempt === 'number' && attempt > 0) add('Attempt', typeof maxAttempts === 'number' ? `${attempt} of ${maxAttempts}` : String(attempt))
    add(isSettled(task) || status === 'deferred' ? 'Ran on' : 'Runs on', worker === undefined || worker === null ? undefined : workerOf(worker as Worker))
    return list
  }
}

/** Why there is no duration. */
function pauseOf (task: AnyTask): string {
  if (isRetrying(task)) return 'waits for its next attempt'
  return task.status === 'deferred' ? 'has not started' : 'did not start'
}

function field (name: string, value: unknown): HTMLElement {
  return element('details', { class: 'field', open: true }, element('summary', {}, name), valueOf(name, value), copyButton(`Copy ${name}`, () => block(value)))
}

function valueOf (name: string, value: unknown): HTMLElement {
  return element('pre', { tabindex: '0', 'aria-label': name }, visibleLines(block(value)))
}

function progressOf (task: AnyTask): Node | string | undefined {
  const { progress } = task
  if (progress === undefined || progress === null) return undefined
  if (barOf(progress) === undefined) return typeof progress === 'object' ? undefined : visibleLines(String(progress))
  const shown = new Progress()
  shown.update(progress, task.status === 'completed')
  return shown.element
}

function workerOf ({ host, pid }: Worker): string {
  return `${visible(String(host))}, process ${pid}`
}
