import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { CancelOptions, Task as PublicTask, TaskState, TaskStatus, TaskWork } from '../types/index.ts'
import { AbortError, isAbort } from './abort.ts'
import { epochTime, now } from './clock.ts'
import { FST_ERR_TASK_CANCEL_TIMEOUT, FST_ERR_TASK_TIMEOUT } from './errors.ts'
import { ListItem } from './linked-list.ts'
import { checkCancelOptions } from './options.ts'
import { taskLabel } from './task-label.ts'
import { isThenable } from './thenable.ts'
import { traceStart } from './tracing.ts'
import { within } from './within.ts'

/** Whom a task tells that it has settled, and that its scope has ended. */
export interface TaskOwner {
  readonly cancelTimeout: number
  settled (task: Task): void
  disposed (task: Task): void
}

/** What a state tells of an error. Anything can be thrown, even what cannot be read. */
function errorState (error: unknown): TaskState['error'] {
  try {
    if (Object(error) !== error) return { name: 'Error', message: String(error), code: undefined }
    const { name = 'Error', message = '', code } = error as { name?: unknown, message?: unknown, code?: unknown }
    return {
      name: String(name),
      message: String(message),
      code: typeof code === 'string' || typeof code === 'number' ? code : undefined
    }
  } catch {
    return { name: 'Error', message: 'unreadable', code: undefined }
  }
}

function isoString (time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}

/** One piece of background work: what it does, where it is in its life, and how it ended. */
export class Task<T = unknown> extends ListItem implements PublicTask<T> {
  progress: unknown = undefined
  readonly #id: number
  readonly #name: string | undefined
  readonly #parentLog: FastifyBaseLogger
  readonly #owner: TaskOwner
  readonly #createdAt: number
  #startedAt: number | undefined = undefined
  #settledAt: number | undefined = undefined
  #status: TaskStatus = 'deferred'
  /** A promise cannot be stopped. */
  #isPromise = false
  /** Why it is cancelled, and what it is then called. */
  #abort: { reason: unknown, status: 'cancelled' | 'failed' } | undefined = undefined
  /** The result of a completed task, the error of any other that has settled. */
  #outcome: unknown = undefined
  #whenSettled: (() => void)[] | undefined = undefined
  #controller: AbortController | undefined = undefined
  #finished: Promise<T> | undefined = undefined
  #log: FastifyBaseLogger | undefined = undefined

  constructor (id: number, name: string | undefined, createdAt: number, parentLog: FastifyBaseLogger, owner: TaskOwner) {
    super()
    this.#id = id
    this.#name = name
    this.#createdAt = createdAt
    this.#parentLog = parentLog
    this.#owner = owner
  }

  get id () { return this.#id }
  get name () { return this.#name }
  get status () { return this.#status }
  get settled () { return this.#settledAt !== undefined }
  get createdAt () { return epochTime(this.#createdAt) }
  get startedAt () { return epochTime(this.#startedAt) }
  get settledAt () { return epochTime(this.#settledAt) }
  get result () { return this.#status === 'completed' ? this.#outcome as T : undefined }
  get error () { return this.endedInError ? this.#outcome : undefined }
  get log () { return (this.#log ??= this.#parentLog.child({ task: this.#name ?? this.#id })) }

  get signal (): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#abort !== undefined) this.#controller.abort(this.#abort.reason)
    }
    return this.#controller.signal
  }

  get finished () {
    if (this.#finished === undefined) {
      this.#finished = new Promise((resolve, reject) => {
        this.onceSettled(() => {
          if (this.#status === 'completed') resolve(this.#outcome as T)
          else reject(this.#outcome)
        })
      })
      this.#finished.catch(() => {})
    }
    return this.#finished
  }

  async cancel (options: CancelOptions = {}) {
    checkCancelOptions(options, this)
    if (this.settled) return
    const { reason = `Cancelled ${taskLabel(this)}`, timeout = this.#owner.cancelTimeout } = options
    this.abort(typeof reason === 'string' ? new AbortError(reason) : reason)
    if (this.settled) return
    const settlement = new Promise<void>(resolve => this.onceSettled(resolve))
    if (!await within(settlement, timeout)) throw new FST_ERR_TASK_CANCEL_TIMEOUT(taskLabel(this), timeout)
  }

  async [Symbol.asyncDispose] () {
    try {
      await this.cancel()
    } finally {
      this.#owner.disposed(this)
    }
  }

  toJSON (): TaskState {
    return {
      id: this.#id,
      name: this.#name,
      status: this.#status,
      progress: this.progress,
      createdAt: new Date(this.createdAt).toISOString(),
      startedAt: isoString(this.startedAt),
      settledAt: isoString(this.settledAt),
      error: this.endedInError ? errorState(this.#outcome) : undefined
    }
  }

  /** Calls back when the task has settled; at once if it has. */
  onceSettled (callback: () => void) {
    if (this.settled) callback()
    else (this.#whenSettled ??= []).push(callback)
  }

  /** Starts the work, unless the task was cancelled before. */
  start (work: TaskWork<T>, app: FastifyInstance, startedAt: number, timeout = Infinity) {
    if (this.#status !== 'deferred') return
    this.#status = 'running'
    this.#startedAt = startedAt
    this.#isPromise = typeof work !== 'function'
    if (timeout !== Infinity) this.startTimeout(timeout)
    this.debug('task started')
    try {
      const value = traceStart(this, work, app)
      if (isThenable(value)) Promise.resolve(value).then(this.returned.bind(this), this.threw.bind(this))
      else this.returned(value)
    } catch (error) {
      this.threw(error)
    }
  }

  /** Aborts the work, which then ends as `status`, unless that was done before. A promise cannot be stopped: its task ends here. */
  abort (reason: unknown, status: 'cancelled' | 'failed' = 'cancelled') {
    if (this.settled || this.#abort !== undefined) return
    this.#abort = { reason, status }
    if (this.#status === 'deferred' || this.#isPromise) this.settle(status, reason)
    else this.#status = 'cancelling'
    this.#controller?.abort(reason)
  }

  /**
   * Logs an error, or of one that the logger's serializers cannot take what can be told of it. A logger that throws even
   * then loses the line, not the task.
   */
  logError (error: unknown, message: string) {
    try {
      this.log.error({ err: error }, message)
    } catch {
      try {
        this.log.error({ err: errorState(error) }, message)
      } catch {}
    }
  }

  /** Logs as `log` would, without making one. A logger that throws loses the line, not the task. */
  debug (message: string) {
    try {
      this.#parentLog.debug({ task: this.#name ?? this.#id }, message)
    } catch {}
  }

  private get endedInError () {
    return this.#status === 'failed' || this.#status === 'cancelled'
  }

  private startTimeout (timeout: number) {
    const timer = setTimeout(() => {
      this.abort(new FST_ERR_TASK_TIMEOUT(taskLabel(this), timeout), 'failed')
    }, timeout)
    timer.unref()
    this.onceSettled(() => clearTimeout(timer))
  }

  private returned (result: unknown) {
    this.settle('completed', result)
  }

  private threw (error: unknown) {
    if (this.#abort !== undefined && isAbort(error, this.#abort.reason)) this.settle(this.#abort.status, this.#abort.reason)
    else this.settle('failed', error)
  }

  /** A promise may end after its task was cancelled; a task settles once. */
  private settle (status: 'completed' | 'failed' | 'cancelled', outcome: unknown) {
    if (this.settled) return
    this.#status = status
    this.#outcome = outcome
    this.#settledAt = now()
    if (this.#whenSettled !== undefined) {
      for (const callback of this.#whenSettled) callback()
      this.#whenSettled = undefined
    }
    this.#owner.settled(this)
  }
}

// The methods are as read-only as the rest.
Object.freeze(Task.prototype)
Object.freeze(ListItem.prototype)
