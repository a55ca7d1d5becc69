import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { settlesWithin } from '../../core/within.ts'
import { FST_ERR_TASK_UNREACHABLE } from '../errors.ts'
import { isConnectionError, refusalOf, removeCommands } from './connection-error.ts'
import { LeaseExpired } from './leases.ts'
import type { Store } from './store.ts'

/** Where an engine reports what concerns all tasks. */
export interface EngineLog {
  info (message: string): void
  /** `details` are further properties of the line. */
  warn (message: string, details?: object): void
}

/** Says that the server has answered a step of an operation. */
export type Answered = () => void

/** Milliseconds between two pings of a server that is away. */
const PING = 500
/** Milliseconds between two lines that say that the server refuses commands for the same reason. */
const REMIND = 60_000

/** Knows whether the server answers: limits how long a verb waits for it, and logs when it goes and when it is back. */
export class HealthMonitor {
  readonly #store: Store
  readonly #timeout: number
  readonly #log: EngineLog
  readonly #whenBack = new Set<() => void>()
  readonly #waiting = new Set<{ until: number, readonly giveUp: (error?: Error) => void }>()
  /** The operations that are under way. */
  readonly #running = new Set<Promise<unknown>>()
  #timer: NodeJS.Timeout | undefined
  #state: 'closed' | 'up' | 'down' = 'closed'
  /** Whether the outage has been logged. */
  #logged = false
  /** When a refusal is logged again. */
  readonly #remindAt = new Map<string, number>()

  constructor (store: Store, timeout: number, log: EngineLog) {
    this.#store = store
    this.#timeout = timeout
    this.#log = log
    store.onLost(() => this.#lost(false))
  }

  async open (): Promise<void> {
    const unreachable = (problem = this.#store.problem) => {
      return new FST_ERR_TASK_UNREACHABLE(` at ${this.#store.server}${problem === undefined ? '' : `: ${problem}`}`)
    }
    // PostgreSQL's client rejects at once when the server refuses a connection. Redis's client tries again until the time is over.
    const refused = (error: Error) => { throw Object.assign(unreachable(error.message), { cause: error }) }
    await this.#bound(() => this.#store.connect().catch(refused), unreachable)
    this.#state = 'up'
  }

  /** Gives up on what is under way. */
  close (): void {
    this.#state = 'closed'
    for (const { giveUp } of this.#waiting) giveUp(new FST_ERR_TASK_UNREACHABLE(': the app has closed'))
    this.#waiting.clear()
  }

  /** Resolves once nothing is under way, the server is away, or `timeout` is over. */
  async settled (): Promise<void> {
    await settlesWithin(this.#allDone(), this.#timeout)
  }

  async #allDone () {
    while (this.#state === 'up' && this.#running.size > 0) {
      await Promise.allSettled(this.#running)
      await nextTurn() // a verb of several steps begins the next one
    }
  }

  /**
   * Does something on the server. While the server is away it waits for it first, and does not send the command: a command that is
   * reported as failed must not be done later. An operation of many steps calls `answered` after each: the time counts for each step.
   */
  async run<T> (operation: (answered: Answered) => Promise<T>): Promise<T> {
    const running = this.#run(operation)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  async #run<T> (operation: (answered: Answered) => Promise<T>): Promise<T> {
    if (this.#state === 'closed') throw new FST_ERR_TASK_UNREACHABLE(': the app has closed')
    try {
      if (this.#state === 'down') await this.#bound(() => this.#store.ping(), () => this.#tooLate())
      return await this.#bound(operation, () => this.#tooLate())
    } catch (error) {
      removeCommands(error)
      if (error instanceof FST_ERR_TASK_UNREACHABLE) this.#lost(true)
      if (error instanceof LeaseExpired) throw Object.assign(new FST_ERR_TASK_UNREACHABLE(' in time: too many calls change the same name, key or schedule'), { cause: error })
      const isGone = isConnectionError(error)
      if (isGone) this.#lost(true)
      const refusal = refusalOf(error)
      if (!isGone && refusal === undefined) throw error
      // The server's own message may quote a script or SQL, which is for the log and not for clients.
      throw Object.assign(new FST_ERR_TASK_UNREACHABLE(isGone ? '' : `: it refuses commands (${refusal})`), { cause: error })
    }
  }

  /** The cause is the error of the last connection that the server refused, if it did. */
  #tooLate (): Error {
    const { problem } = this.#store
    return Object.assign(new FST_ERR_TASK_UNREACHABLE(''), problem !== undefined && { cause: new Error(problem) })
  }

  /**
   * Logs an error that BullMQ reports while it works. Errors about locks are left out: `Runs` deals with those. So is a refusal that was
   * logged a short time ago: workers try again each second.
   */
  report (error: Error): void {
    if (isConnectionError(error)) return this.#lost(false)
    if (this.#state === 'closed' || /lock|not in the active state/i.test(error.message)) return
    const refusal = refusalOf(error)
    if (refusal !== undefined) {
      const now = performance.now()
      if (now < (this.#remindAt.get(refusal) ?? 0)) return
      this.#remindAt.set(refusal, now + REMIND)
    }
    this.#log.warn(`task server at ${this.#store.server}: ${error.message}`)
  }

  /** Calls back whenever the server is back. Returns a function that ends this. */
  onBack (callback: () => void): () => void {
    this.#whenBack.add(callback)
    return () => this.#whenBack.delete(callback)
  }

  /** Logs the outage now if a command timed out. After a mere connection error it pings first, since that error may be stale. */
  #lost (certain: boolean) {
    if (this.#state === 'closed') return
    if (certain) this.#logOutage()
    if (this.#state === 'down') return
    this.#state = 'down'
    this.#pingUntilBack()
  }

  async #pingUntilBack () {
    while (this.#state === 'down') {
      if (this.#logged) await delay(PING, undefined, { ref: false })
      try {
        await this.#bound(() => this.#store.isBack(), () => new FST_ERR_TASK_UNREACHABLE(''))
        this.#back()
      } catch {
        this.#logOutage()
      }
    }
  }

  #logOutage () {
    if (this.#logged || this.#state === 'closed') return
    this.#logged = true
    const problem = this.#store.problem === undefined ? '' : `: ${this.#store.problem}`
    this.#log.warn(`task server at ${this.#store.server} does not answer${problem}`)
  }

  #back () {
    if (this.#state === 'closed') return
    this.#state = 'up'
    if (this.#logged) this.#log.info(`task server at ${this.#store.server} answers again`)
    this.#logged = false
    for (const callback of this.#whenBack) callback()
  }

  /** Rejects if a step takes longer than `timeout`. One timer serves all: they wait equally long, so they give up in order. */
  #bound<T> (operation: (answered: Answered) => Promise<T>, tooLate: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiting = { until: 0, giveUp: (error = tooLate()) => reject(error) }
      const wait = () => {
        waiting.until = performance.now() + this.#timeout
        this.#waiting.add(waiting)
        this.#timer ??= this.#giveUpAfter(this.#timeout)
      }
      wait()
      const answered = () => {
        if (!this.#waiting.delete(waiting)) throw tooLate() // what was given up goes no further
        wait()
      }
      operation(answered).then(value => {
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
