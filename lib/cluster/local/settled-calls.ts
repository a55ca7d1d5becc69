import { settlesWithin } from '../../core/within.ts'
import { SETTLED_BACKOFF, SETTLED_TRIES, type OnSettled, type StoredTask } from '../engine.ts'

/** Calls `onSettled` for the tasks of a queue that have settled, again and again while it fails. */
export class SettledCalls {
  readonly #onSettled: OnSettled
  readonly #ended: (task: StoredTask) => void
  readonly #running = new Set<Promise<void>>()
  /** Each fires when a call is to be tried again. */
  readonly #timers = new Set<NodeJS.Timeout>()
  #pending = 0
  #holdsProcess = false
  #stopped = false

  /** `ended` is called for each task whose call is not pending any more. */
  constructor (onSettled: OnSettled, ended: (task: StoredTask) => void) {
    this.#onSettled = onSettled
    this.#ended = ended
  }

  /** How many calls run or are to be tried again. A call that is lost because the queue has stopped stays pending. */
  get pending (): number { return this.#pending }

  add (task: StoredTask): void {
    this.#pending++
    this.#call(task, 1)
  }

  /** Whether the calls that are to be tried again hold the process. */
  holdProcess (holds: boolean): void {
    this.#holdsProcess = holds
    for (const timer of this.#timers) this.#hold(timer)
  }

  /** Tries no call again, and gives those that run some milliseconds. */
  async stop (timeout: number): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    await settlesWithin(Promise.allSettled(this.#running), timeout)
  }

  async #call (task: StoredTask, tries: number) {
    const call = this.#onSettled(task)
    this.#running.add(call)
    const failed = await call.then(() => false, () => true)
    this.#running.delete(call)
    if (failed && this.#stopped) return
    if (failed && tries < SETTLED_TRIES) return this.#callLater(task, tries + 1)
    this.#pending--
    this.#ended(task)
  }

  #callLater (task: StoredTask, tries: number) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#call(task, tries)
    }, SETTLED_BACKOFF * 2 ** (tries - 2))
    this.#timers.add(timer)
    this.#hold(timer)
  }

  #hold (timer: NodeJS.Timeout) {
    if (this.#holdsProcess) timer.ref()
    else timer.unref()
  }
}
