import type { TaskWatch } from '../../types/index.ts'
import { AbortError, onceAborted } from './abort.ts'

interface Waiting<State> {
  resolve: (result: IteratorResult<State, undefined>) => void
  reject: (error: unknown) => void
}

export interface WatchOptions {
  /** Ends the watch with an AbortError, as the signal of `events.on` does. */
  signal?: AbortSignal | undefined
  /** The least time between two states, in milliseconds. The last state comes at once. Default: 0 */
  interval?: number | undefined
  /** Whether the first state is there at once. If not, it comes with the first call of `changed()`. Default: true */
  ready?: boolean
  /** Called at the first `next()`. From then on it calls `changed()`. Returns a function that ends that. */
  join?: (watch: Watch<any>) => () => void
}

/**
 * An async iterator of the states of something. The present state comes at once. A new one comes when the state has changed
 * since the last read and the interval is over. The last one ends the iteration.
 *
 * It is no async generator, because the `return()` of an async generator waits for a pending `next()`.
 * After https://nodejs.org/api/events.html#eventsonemitter-eventname-options
 */
export class Watch<State> implements TaskWatch<State> {
  readonly #read: () => State
  readonly #isLast: () => boolean
  readonly #signal: AbortSignal | undefined
  readonly #interval: number
  readonly #join: WatchOptions['join']
  readonly #waiting: Waiting<State>[] = []
  /** Ends the calls of `changed`; undefined before the first `next()`. */
  #leave: (() => void) | undefined = undefined
  #changed: boolean
  /** When a state was read last. Undefined before the first read. */
  #readAt: number | undefined = undefined
  /** Runs while a reader waits for the interval to end. */
  #timer: NodeJS.Timeout | undefined = undefined
  #failure: AbortError | undefined = undefined
  #ended = false

  constructor (read: () => State, isLast: () => boolean, { signal, interval = 0, ready = true, join }: WatchOptions = {}) {
    if (signal?.aborted === true) throw abortError(signal)
    this.#read = read
    this.#isLast = isLast
    this.#signal = signal
    this.#interval = interval
    this.#join = join
    this.#changed = ready
  }

  [Symbol.asyncIterator] () { return this }

  next (): Promise<IteratorResult<State, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#leave === undefined && !this.#ended) this.#enter()
      this.#serve()
    })
  }

  async return (): Promise<IteratorResult<State, undefined>> {
    this.end()
    return { done: true, value: undefined }
  }

  /** Ends it. A `yield *` over a watch throws the reason of a cancellation here. */
  async throw (error?: unknown): Promise<never> {
    this.end()
    throw error
  }

  /** There is a new state. After the last one there are no more calls, even if nobody has read it. */
  changed (): void {
    this.#changed = true
    if (this.#isLast()) this.#leave?.()
    this.#serve()
  }

  /** Ends the iteration. A state that was not read is dropped. */
  end (): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#leave?.()
    this.#serve()
  }

  #enter () {
    if (this.#signal?.aborted === true) return this.#abort()
    const leave = this.#join?.(this)
    const forget = this.#signal === undefined ? undefined : onceAborted(this.#signal, () => this.#abort())
    this.#leave = () => {
      leave?.()
      forget?.()
    }
    if (this.#ended) this.#leave()
  }

  #abort () {
    this.#failure = abortError(this.#signal!)
    this.end()
  }

  /** Settles the pending `next()` calls for which there is a state. */
  #serve () {
    while (this.#waiting.length > 0 && (this.#ended || this.#changed)) {
      const timeLeft = this.#ended ? 0 : this.#timeLeft()
      if (timeLeft > 0) return this.#serveLater(timeLeft)
      const { resolve, reject } = this.#waiting.shift()!
      if (this.#failure !== undefined) {
        reject(this.#failure)
        this.#failure = undefined
      } else if (this.#ended) {
        resolve({ done: true, value: undefined })
      } else {
        this.#changed = false
        this.#readAt = performance.now()
        resolve({ done: false, value: this.#read() })
        if (this.#isLast()) this.end()
      }
    }
  }

  /** Milliseconds until the next state may be read. */
  #timeLeft (): number {
    if (this.#interval === 0 || this.#readAt === undefined || this.#isLast()) return 0
    return this.#readAt + this.#interval - performance.now()
  }

  #serveLater (ms: number) {
    if (this.#timer !== undefined || ms === Infinity) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#serve()
    }, ms).unref()
  }
}

function abortError (signal: AbortSignal): AbortError {
  return new AbortError('The operation was aborted', { cause: signal.reason })
}
