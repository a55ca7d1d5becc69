import type { CancelledMany, FleetCount, FleetKind, Purged, RetriedMany, Status, TaskList } from '../wire.ts'
import { describe, ReplyError, request } from './api.ts'
import { button, byId, setEnabled, setHidden, setText } from './element.ts'
import { count, plural } from './format.ts'
import { inWords } from './name.ts'
import { notify } from './notice.ts'
import { ask } from './question.ts'
import { queryOf, type View } from './view.ts'

/** How many milliseconds one request may take. It changes up to 1,000 tasks. */
const timeout = 120_000

interface Verb {
  /** Such as `Retry`, and `retried` for afterwards. */
  words: [now: string, past: string]
  what: string
  text: string
  method: 'PUT' | 'DELETE'
  path: string
  isHarmless?: boolean
}

/** What the buttons depend on. */
export interface BulkState {
  view: View
  kind: FleetKind | undefined
  /** How many tasks have each status. */
  counts: Partial<Record<Status, number>>
}

/** The buttons that change many tasks. Each counts the tasks and asks first. */
export class Bulk {
  readonly #retry: HTMLButtonElement
  readonly #cancel: HTMLButtonElement
  readonly #purge: HTMLButtonElement
  readonly #isReadOnly: boolean
  readonly #onDone: () => void
  #state: BulkState | undefined

  constructor (isReadOnly: boolean, onDone: () => void) {
    this.#isReadOnly = isReadOnly
    this.#onDone = onDone
    this.#retry = button('Retry all failed', () => this.#ask('failed', retryOf))
    this.#cancel = button('', () => this.#ask(this.#cancelled, cancellationOf))
    this.#purge = button('', () => this.#ask(this.#purged, purgeOf))
    byId('bulk').append(this.#retry, this.#cancel, this.#purge)
  }

  show (state: BulkState): void {
    this.#state = state
    const { view, kind } = state
    const { fleet } = view
    const may = (action: 'retry' | 'cancel' | 'purge') =>
      !this.#isReadOnly && fleet !== '' && (fleet === undefined ? action !== 'retry' : kind?.can?.includes(action) === true)
    const next = () => byId('search')
    setHidden(this.#retry, !may('retry') || !this.#has('failed'), next)
    setHidden(this.#cancel, !may('cancel') || (!this.#has(this.#cancelled) && view.status !== this.#cancelled), next)
    setHidden(this.#purge, !may('purge'), next)
    setText(this.#cancel, `Cancel all ${this.#cancelled}`)
    setText(this.#purge, `Purge ${this.#purged}`)
    setEnabled(this.#cancel, this.#has(this.#cancelled))
    setEnabled(this.#purge, this.#purged === 'settled' ? this.#has('completed') || this.#has('failed') || this.#has('cancelled') : this.#has(this.#purged))
  }

  /** The status of the tasks that the cancel button cancels: `running` if the filter asks for it, else `deferred`. */
  get #cancelled (): 'running' | 'deferred' {
    return this.#state?.view.status === 'running' ? 'running' : 'deferred'
  }

  get #purged (): 'settled' | 'completed' | 'failed' | 'cancelled' {
    const status = this.#state?.view.status
    return status === 'completed' || status === 'failed' || status === 'cancelled' ? status : 'settled'
  }

  /** Returns true if there are tasks with this status, or if that is not known. */
  #has (status: Status): boolean {
    return this.#state?.counts[status] !== 0
  }

  async #ask (status: string, verbOf: (view: View, status: string) => Verb): Promise<void> {
    const { view } = this.#state!
    const { words: [now, past], what, text, method, path, isHarmless = false } = verbOf(view, status)
    let number
    try {
      number = await countOf(view, status)
    } catch (error) {
      return notify(`Nothing was ${past}. ${describe(error)}`, 'bad')
    }
    if (number === '0') return notify(`There is no ${what.replace('{s}', '')} to ${now.toLowerCase()}.`)
    const tasks = `${number} ${what.replace('{s}', number === '1' ? '' : 's')}`
    const yes = await ask({ title: `${now} ${tasks}?`, text, yes: `${now} ${number}`, no: 'Leave them', isHarmless })
    if (!yes) return
    let done = 0
    try {
      for (let more = true; more;) {
        const reply = await request<Partial<RetriedMany & CancelledMany & Purged>>(method, path, { timeout })
        const n = reply.retried ?? reply.cancelled ?? reply.purged ?? 0
        done += n
        more = reply.more === true && n > 0
        if (more) notify(`${plural(done, 'task')} ${past} so far …`)
      }
      notify(`${plural(done, 'task')} ${past}.`)
    } catch (error) {
      notify(`${outcomeOf(error, done, past)}${describe(error)}`, 'bad')
    }
    this.#onDone()
  }
}

/** How many tasks were changed before an error. The message of a cancellation timeout itself says how many more were cancelled. */
function outcomeOf (error: unknown, done: number, past: string): string {
  if (error instanceof ReplyError && error.code === 'FST_ERR_TASK_CANCEL_TIMEOUT') return done === 0 ? '' : `${plural(done, 'task')} ${past}. `
  return `${done === 0 ? 'Nothing was' : `Only ${plural(done, 'task')} ${done === 1 ? 'was' : 'were'}`} ${past}. `
}

/** How many tasks it will be, in words: `98`. If the server has stopped counting: `2,000 or more`, or `all` if it had found none yet. */
async function countOf (view: View, status: string): Promise<string> {
  if (view.fleet === undefined) {
    const { total } = await request<TaskList>('GET', `tasks?${filterOf(view, status)}&limit=1`)
    return count(total)
  }
  const { count: n, exact } = await request<FleetCount>('GET', `kinds/count?${filterOf(view, status)}`)
  if (exact) return count(n)
  return n === 0 ? 'all' : `${count(n)} or more`
}

function filterOf ({ fleet, kind, search }: View, status: string): URLSearchParams {
  return queryOf({ kind: fleet ?? kind, status, search })
}

/** The route of the tasks in view. */
function tasksOf ({ fleet }: View): string {
  return fleet === undefined ? 'tasks' : 'kinds/tasks'
}

/** Which tasks, in a title: `failed task{s} of mail with “x” in the name`. */
function nounOf ({ fleet, kind, search }: View, status: string): string {
  const of = fleet ?? kind
  const has = search !== '' ? ` with “${inWords(search)}” in the name` : ''
  return `${status} task{s}${of === undefined ? '' : ` of ${inWords(of)}`}${has}`
}

function retryOf (view: View, status: string): Verb {
  return {
    words: ['Retry', 'retried'],
    what: nounOf(view, status),
    text: 'They run again with the same names and data, from their last progress. Cancelled tasks are not among them.',
    method: 'PUT',
    path: `kinds/tasks/retry?${filterOf(view, status)}`,
    isHarmless: true
  }
}

function cancellationOf (view: View, status: string): Verb {
  return {
    words: ['Cancel', 'cancelled'],
    what: nounOf(view, status),
    text: status === 'deferred' ? 'They have not started, and will never start.' : 'Their work is told to stop, and may clean up first. The tasks cannot be resumed.',
    method: 'PUT',
    path: `${tasksOf(view)}/cancel?${filterOf(view, status)}`
  }
}

function purgeOf (view: View, status: string): Verb {
  return {
    words: ['Purge', 'purged'],
    what: nounOf(view, status),
    text: 'They are dropped from the list: their states, errors and results are forgotten. Tasks that have not settled stay.',
    method: 'DELETE',
    path: `${tasksOf(view)}?${filterOf(view, status)}`
  }
}
