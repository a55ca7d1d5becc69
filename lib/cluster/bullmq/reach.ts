import { setTimeout as delay } from 'node:timers/promises'
import { FST_ERR_TASK_UNREACHABLE } from '../errors.ts'
import { isConnectionError, refusalOf } from './connection-error.ts'
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
  /** Whether it has told that the server is away. */
  #told = false

  constructor (store: Store, timeout: number, log: EngineLog) {
    this.#store = store
    this.#timeout = timeout
    this.#log = log
    store.onLost(() => this.#lost(false))
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
      if (error instanceof FST_ERR_TASK_UNREACHABLE) this.#lost(true)
      const isGone = isConnectionError(error)
      if (isGone) this.#lost(true)
      const refusal = refusalOf(error)
      if (!isGone && refusal === undefined) throw error
      // The server's own message may quote a script or SQL, which is for the log and not for clients.
      throw Object.assign(new FST_ERR_TASK_UNREACHABLE(isGone ? '' : `: it refuses commands (${refusal})`), { cause: error })
    }
  }

  /** What BullMQ reports as it goes on. Its locks we look after ourselves; what it could not finish, another has, or it has itself. */
  report (error: Error): void {
    if (isConnectionError(error)) this.#lost(false)
    else if (this.#state !== 'closed' && !/lock|not in the active state/i.test(error.message)) this.#log.warn(`task server at ${this.#store.server}: ${error.message}`)
  }

  /** Calls back whenever the server has come back. */
  onBack (callback: () => void): () => void {
    this.#whenBack.add(callback)
    return () => this.#whenBack.delete(callback)
  }

  /** Tells of it at once if it is certain, else if the server does not answer when it is asked: an error may be late, or a restart short. */
  #lost (certain: boolean) {
    if (this.#state === 'closed') return
    if (certain) this.#tell()
    if (this.#state === 'down') return
    this.#state = 'down'
    this.#lookForIt()
  }

  async #lookForIt () {
    while (this.#state === 'down') {
      if (this.#told) await delay(LOOK, undefined, { ref: false })
      try {
        await this.#bound(this.#store.isBack(), () => new FST_ERR_TASK_UNREACHABLE(''))
        this.#back()
      } catch {
        this.#tell()
      }
    }
  }

  #tell () {
    if (this.#told || this.#state === 'closed') return
    this.#told = true
    const problem = this.#store.problem === undefined ? '' : `: ${this.#store.problem}`
    this.#log.warn(`task server at ${this.#store.server} does not answer${problem}`)
  }

  #back () {
    if (this.#state === 'closed') return
    this.#state = 'up'
    if (this.#told) this.#log.info(`task server at ${this.#store.server} answers again`)
    this.#told = false
    for (const callback of this.#whenBack) callback()
  }

  /** One timer for all: they wait equally long, so they give up in the order in which they came. */
  #bound<T> (wanted: Promise<T>, tooLate: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { until: performance.now() + this.#timeout, giveUp: () => reject(tooLate()) }
      this.#waiting.add(waiting)
      this.#timer ??= this.#giveUpAfter(this.#timeout)
      wanted.then(value => {
        this.#waiting.delete(waiting)
        resolve(value)
      }, error => {
        this.#waiting.delete(waiting)
        reject(error)
      })
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
