import type { Action } from '../wire.ts'
import { describe, ReplyError, request } from './api.ts'
import { inWords } from './name.ts'
import { notify } from './notice.ts'
import { ask, type Question } from './question.ts'
import { type AnyTask, can, identity, isOfFleet, isRetrying, isSettled, label, path } from './task.ts'

/** Something that can be done to one task. It asks first. */
export interface TaskAction {
  /** What the button in a row says. */
  short: string
  /** What the button in the details says. */
  long: string
  isDanger?: boolean
  isPossible: (task: AnyTask) => boolean
  run: (task: AnyTask) => void
}

export interface ActionsListener {
  /** A task has changed. */
  onChange: (task: AnyTask) => void
  /** The list has changed, and is to be read again. */
  onReload: () => void
  /** A task has been dropped. */
  onDrop: (task: AnyTask) => void
}

interface Change {
  question: Question
  method: 'PUT' | 'DELETE'
  path: string
  done: string
  notDone: string
}

/** What can be done to one task. */
export class Actions {
  readonly cancel: TaskAction
  readonly retry: TaskAction
  readonly promote: TaskAction
  readonly drop: TaskAction
  /** The tasks that are being cancelled, by path. They are shown as `cancelling` from the click until they have settled. */
  readonly #cancelling = new Set<string>()
  /** Tasks that have settled before the server replied to their cancellation, by path. */
  readonly #ended = new Map<string, AnyTask>()
  /** The tasks that are being dropped, by path. */
  readonly #dropping = new Set<string>()
  readonly #listener: ActionsListener

  constructor (listener: ActionsListener) {
    this.#listener = listener
    const action = (action: Action, short: string, long: string, run: (task: AnyTask) => void): TaskAction =>
      ({ short, long, run, isPossible: task => can(action, task) })
    this.cancel = { ...action('cancel', 'Cancel', 'Cancel the task', task => { this.#cancel(task) }), isDanger: true }
    this.retry = action('retry', 'Retry', 'Retry', task => { this.#change(task, retryOf(task)) })
    this.promote = action('promote', 'Run now', 'Run now', task => { this.#change(task, promotionOf(task)) })
    const drop = action('purge', 'Drop', 'Drop from the list', task => { this.#drop(task) })
    this.drop = { ...drop, isPossible: task => isSettled(task) && drop.isPossible(task) }
  }

  /** What the button in the row of a task does: what an operator most likely wants. */
  firstOf (task: AnyTask): TaskAction | undefined {
    if (task.status === 'completed') return undefined
    const actions = isRetrying(task) ? [this.promote, this.cancel] : [this.cancel, this.retry]
    return actions.find(({ isPossible }) => isPossible(task))
  }

  /** Returns a task as it is to be shown. */
  see <Task extends AnyTask>(task: Task): Task {
    const at = path(task)
    if (!this.#cancelling.has(at)) return task
    if (!isSettled(task)) return { ...task, status: 'cancelling', can: [] }
    this.#cancelling.delete(at)
    this.#ended.set(at, task)
    return task
  }

  /** Returns true while a task is being dropped: the server may not know it any more. */
  isDropping (task: AnyTask): boolean {
    return this.#dropping.has(path(task))
  }

  async #cancel (task: AnyTask): Promise<void> {
    const name = inWords(label(task))
    const yes = await ask({
      title: `Cancel ${name}?`,
      text: task.status === 'deferred'
        ? `It ${isRetrying(task) ? 'waits for its next attempt, which' : 'has not started, and'} will never start.`
        : 'Its work is told to stop, and may clean up first. The task cannot be resumed.',
      yes: 'Cancel the task',
      no: 'Keep it'
    })
    if (!yes) return
    const at = path(task)
    this.#cancelling.add(at)
    this.#ended.delete(at)
    this.#listener.onChange(this.see(task))
    try {
      const reply = await request<AnyTask>('DELETE', at)
      // The list may have shown the end of the task before this reply, which shows the task as it was before.
      const latest = this.#ended.get(at) ?? this.see(reply)
      this.#listener.onChange(latest)
      notify(isSettled(latest) ? `${name} is ${latest.status}.` : `${name} is being cancelled.`)
    } catch (error) {
      this.#cancelling.delete(at)
      this.#listener.onReload()
      notify(isGone(error)
        ? `${name} is gone: it settled before it could be cancelled, or its process was replaced.`
        : `${name} was not cancelled. ${describe(error)}`, 'bad')
    }
    this.#ended.delete(at)
  }

  async #drop (task: AnyTask): Promise<void> {
    const drop = dropOf(task)
    if (!await ask(drop.question)) return
    this.#dropping.add(path(task))
    if (await this.#send(task, drop)) this.#listener.onDrop(task)
    this.#dropping.delete(path(task))
  }

  async #change (task: AnyTask, change: Change): Promise<void> {
    if (await ask(change.question)) await this.#send(task, change)
  }

  /** Returns true if the change has succeeded. */
  async #send (task: AnyTask, { method, path, done, notDone }: Change): Promise<boolean> {
    let isDone = true
    try {
      const reply = await request<AnyTask | object>(method, path)
      if ('status' in reply) this.#listener.onChange(reply)
      notify(done)
    } catch (error) {
      isDone = false
      notify(isGone(error) ? `${inWords(label(task))} is gone.` : `${notDone} ${describe(error)}`, 'bad')
    }
    this.#listener.onReload()
    return isDone
  }
}

function retryOf (task: AnyTask): Change {
  const name = inWords(label(task))
  return {
    question: {
      title: `Retry ${name}?`,
      text: 'It runs again with the same name and data, from its last progress. Its attempts are counted from 1.',
      yes: 'Retry',
      no: 'Leave it',
      isHarmless: true
    },
    method: 'PUT',
    path: `kinds/tasks/retry?${isOfFleet(task) ? identity(task) : ''}`,
    done: `${name} runs again.`,
    notDone: `${name} was not retried.`
  }
}

function promotionOf (task: AnyTask): Change {
  const name = inWords(label(task))
  return {
    question: {
      title: `Run ${name} now?`,
      text: 'It does not wait any longer, and starts as soon as a process is free.',
      yes: 'Run it now',
      no: 'Let it wait',
      isHarmless: true
    },
    method: 'PUT',
    path: path(task, 'promote'),
    done: `${name} may start now.`,
    notDone: `${name} still waits.`
  }
}

function dropOf (task: AnyTask): Change {
  const name = inWords(label(task))
  const query = new URLSearchParams({ status: 'settled', ...isOfFleet(task) ? { kind: task.kind, name: task.name } : { id: task.id } })
  return {
    question: {
      title: `Drop ${name} from the list?`,
      text: 'Its state, error and result are forgotten.',
      yes: 'Drop it',
      no: 'Keep it'
    },
    method: 'DELETE',
    path: `${isOfFleet(task) ? 'kinds/tasks' : 'tasks'}?${query}`,
    done: `${name} is dropped.`,
    notDone: `${name} was not dropped.`
  }
}

function isGone (error: unknown): boolean {
  return error instanceof ReplyError && error.status === 404
}
