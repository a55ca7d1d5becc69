import { setTimeout as delay } from 'node:timers/promises'
import { FST_ERR_TASK_UNREACHABLE } from '../errors.ts'
import { isConnectionError } from './connection-error.ts'
import type { Store } from './store.ts'

/** Where an engine reports what concerns all tasks. */
export interface EngineLog {
  info (message: string): void
  warn (message: string): void
}

/** Between two looks whether the server is back. */
const LOOK = 500

/** Whether the server is there: bounds what waits for it, tells when it goes and when it is back. */
export class Reach {
  readonly #store: Store
  readonly #timeout: number
  readonly #log: EngineLog
  readonly #whenBack = new Set<() => void>()
  readonly #waiting = new Set<{ readonly until: number, readonly giveUp: () => void }>()
  #timer: NodeJS.Timeout | undefined
  #state: 'closed' | 'up' | 'down' = 'closed'

  constructor (store: Store, timeout: number, log: EngineLog) {
    this.#store = store
    this.#timeout = timeout
    this.#log = log
    store.onLost(() => this.#lost())
  }

  async open (): Promise<void> {
    await this.#bound(this.#store.connect(), () => {
      const problem = this.#store.problem === undefined ? '' : `: ${this.#store.problem}`
      return new FST_ERR_TASK_UNREACHABLE(` at ${this.#store.server}${problem}`)
    })
    this.#state = 'up'
  }

  close (): void {
    this.#state = 'closed'
  }

  /** Does something on the server. While the server is away it waits, so that nothing is done later of which was said that it failed. */
  async run<T> (operation: () => Promise<T>): Promise<T> {
    try {
      if (this.#state === 'down') await this.#bound(this.#store.ping(), () => new FST_ERR_TASK_UNREACHABLE(''))
      return await this.#bound(operation(), () => new FST_ERR_TASK_UNREACHABLE(''))
    } catch (error) {
      if (isConnectionError(error)) {
        this.#lost()
        throw new FST_ERR_TASK_UNREACHABLE('')
      }
      if (error instanceof FST_ERR_TASK_UNREACHABLE) this.#lost()
      throw error
    }
  }

  /** What BullMQ reports as it goes on. Its locks we look after ourselves. */
  report (error: Error): void {
    if (isConnectionError(error)) this.#lost()
    else if (this.#state !== 'closed' && !/lock/i.test(error.message)) this.#log.warn(`task server at ${this.#store.server}: ${error.message}`)
  }

  /** Calls back whenever the server has come back. */
  onBack (callback: () => void): () => void {
    this.#whenBack.add(callback)
    return () => this.#whenBack.delete(callback)
  }

  #lost () {
    if (this.#state !== 'up') return
    this.#state = 'down'
    const problem = this.#store.problem === undefined ? '' : `: ${this.#store.problem}`
    this.#log.warn(`task server at ${this.#store.server} does not answer${problem}`)
    this.#lookForIt()
  }

  async #lookForIt () {
    while (this.#state === 'down') {
      await delay(LOOK, undefined, { ref: false })
      try {
        await this.#bound(this.#store.ping(), () => new FST_ERR_TASK_UNREACHABLE(''))
        if (this.#state === 'down') this.#back()
      } catch {
        // Still away.
      }
    }
  }

  #back () {
    this.#state = 'up'
    this.#log.info(`task server at ${this.#store.server} answers again`)
    for (const callback of this.#whenBack) callback()
  }

  /** One timer for all: they wait equally long, so they give up in the order in which they came. */
  #bound<T> (wanted: Promise<T>, tooLate: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { until: performance.now() + this.#timeout, giveUp: () => reject(tooLate()) }
      const leave = () => this.#waiting.delete(waiting)
      this.#waiting.add(waiting)
      this.#timer ??= this.#giveUpAfter(this.#timeout)
      wanted.then(leave, leave)
      wanted.then(resolve, reject)
    })
  }

  #giveUpAfter (ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined
      const now = performance.now()
      for (const waiting of this.#waiting) {
        if (waiting.until > now) {
          this.#timer = this.#giveUpAfter(waiting.until - now)
          break
        }
        this.#waiting.delete(waiting)
        waiting.giveUp()
      }
    }, ms).unref()
  }
}
