import { describe, ReplyError, request } from './api.ts'
import { notify } from './notice.ts'
import { ask } from './question.ts'
import { type AnyTask, isSettled, label, path } from './task.ts'

export interface CancelListener {
  onChange: (task: AnyTask) => void
  /** What was shown of a task is not true: it is not being cancelled. */
  onFailure: () => void
}

/** Cancels tasks, and remembers which: they show as `cancelling` from the click until they have settled. */
export class Cancel {
  readonly #told = new Set<string>()
  readonly #listener: CancelListener

  constructor (listener: CancelListener) {
    this.#listener = listener
  }

  /** A task as it is to be shown. */
  see <Task extends AnyTask>(task: Task): Task {
    if (!this.#told.has(path(task))) return task
    if (!isSettled(task)) return { ...task, status: 'cancelling' }
    this.#told.delete(path(task))
    return task
  }

  async ask (task: AnyTask): Promise<void> {
    const yes = await ask({
      title: `Cancel ${label(task)}?`,
      text: task.status === 'deferred'
        ? 'It has not started, and never will.'
        : 'Its work is told to stop, and gets the time that it takes to clean up. It cannot be resumed.',
      yes: 'Cancel the task',
      no: 'Keep it'
    })
    if (!yes) return
    this.#told.add(path(task))
    this.#listener.onChange(this.see(task))
    try {
      const state = await request<AnyTask>('DELETE', path(task))
      // The list may have told the end before this reply, which tells of the beginning.
      if (this.#told.has(path(task))) this.#listener.onChange(this.see(state))
      notify(isSettled(state) ? `${label(task)} is ${state.status}.` : `${label(task)} is being cancelled.`)
    } catch (error) {
      this.#told.delete(path(task))
      const isGone = error instanceof ReplyError && error.status === 404
      this.#listener.onFailure()
      notify(isGone ? `${label(task)} is gone: it settled before it could be cancelled, or its process was replaced.` : `${label(task)} was not cancelled. ${describe(error)}`, 'bad')
    }
  }
}
