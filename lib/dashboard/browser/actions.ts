import { describe, ReplyError, request } from './api.ts'
import { inWords } from './name.ts'
import { notify } from './notice.ts'
import { ask } from './question.ts'
import { type AnyTask, isSettled, label, path } from './task.ts'

export interface ActionsListener {
  onChange: (task: AnyTask) => void
  /** The list is not what it was. */
  onReload: () => void
}

/** What can be done to one task. Each asks before it does it. */
export class Actions {
  /**
   * The tasks that are being cancelled, by path, each with the state it was last seen in. They are shown as `cancelling` from
   * the click until they have settled.
   */
  readonly #cancelling = new Map<string, AnyTask>()
  readonly #listener: ActionsListener
  readonly #isReadOnly: boolean

  constructor (isReadOnly: boolean, listener: ActionsListener) {
    this.#isReadOnly = isReadOnly
    this.#listener = listener
  }

  /** A task as it is to be shown. */
  see <Task extends AnyTask>(task: Task): Task {
    const isCancelling = this.#cancelling.has(path(task))
    if (isCancelling) this.#cancelling.set(path(task), task)
    return isCancelling && !isSettled(task) ? { ...task, status: 'cancelling' } : task
  }

  canCancel (task: AnyTask): boolean {
    return !this.#isReadOnly && !isSettled(task) && task.status !== 'cancelling'
  }

  async cancel (task: AnyTask): Promise<void> {
    const name = inWords(label(task))
    const yes = await ask({
      title: `Cancel ${name}?`,
      text: task.status === 'deferred'
        ? 'It has not started, and never will.'
        : 'Its work is told to stop, and gets the time that it takes to clean up. It cannot be resumed.',
      yes: 'Cancel the task',
      no: 'Keep it'
    })
    if (!yes) return
    this.#cancelling.set(path(task), task)
    this.#listener.onChange(this.see(task))
    try {
      const reply = await request<AnyTask>('DELETE', path(task))
      // The list may have told the end before this reply comes, which tells the beginning.
      const seen = this.#cancelling.get(path(task))!
      const latest = isSettled(seen) ? seen : reply
      this.#listener.onChange(this.see(latest))
      notify(isSettled(latest) ? `${name} is ${latest.status}.` : `${name} is being cancelled.`)
      if (isSettled(latest)) this.#cancelling.delete(path(task))
    } catch (error) {
      this.#cancelling.delete(path(task))
      this.#listener.onReload()
      notify(isGone(error)
        ? `${name} is gone: it settled before it could be cancelled, or its process was replaced.`
        : `${name} was not cancelled. ${describe(error)}`, 'bad')
    }
  }
}

function isGone (error: unknown): boolean {
  return error instanceof ReplyError && error.status === 404
}
