import { describe, ReplyError, request, type Trouble, troubleIn } from './api.ts'

/** `unread`: the server answers, but cannot read what is asked for. The four kinds of trouble are described in `api.ts`. */
export type ConnectionState = 'connecting' | 'live' | 'polling' | 'paused' | 'unread' | Trouble

/** Where the list is, and the stream of events that repeats it, if there is one. */
export interface Paths { list: string, events?: string }

export interface StreamListener<Frame> {
  paths: () => Paths
  onFrame: (frame: Frame) => void
  onState: (state: ConnectionState, reason?: string) => void
  /** The list cannot be read. Returns true if the connection itself is fine; the list is then asked for again later. */
  onFailure: (error: unknown) => boolean
}

/** If the first event has not come after so many milliseconds, the page polls instead. */
const firstEventWithin = 5000
/** A stream that ends sooner was cut off on its way, such as by a proxy. */
const shortestStream = 2000
const retryStreamAfter = 30_000
const longestRetry = 10_000
/** The longest delay of a timer. A longer one fires at once. */
const longestDelay = 2_147_483_647

/**
 * Keeps the page up to date: by server-sent events if the server has a stream left, else by polling. If the connection is
 * lost, it tries again until it is back. It does not repeat what the server refuses, nor goes on for someone who is signed
 * out. A page that nobody sees does not ask: it would take one of the server's few streams and one of the browser's six
 * connections.
 */
export class Stream<Frame> {
  interval = 1000
  readonly #listener: StreamListener<Frame>
  #source: EventSource | undefined
  #request: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #paused = false
  #failures = 0
  #refusedAt = -Infinity

  constructor (listener: StreamListener<Frame>) {
    this.#listener = listener
    document.addEventListener('visibilitychange', () => document.hidden ? this.#stop() : this.#goOn())
    addEventListener('online', () => this.#goOn())
    addEventListener('offline', () => {
      this.#stop()
      this.#lost('away', 'This device is offline.')
    })
  }

  get paused () { return this.#paused }

  pause (): void {
    this.#paused = true
    this.#stop()
    this.#listener.onState('paused')
  }

  resume (): void {
    this.#paused = false
    this.#listener.onState('connecting')
    this.restart()
  }

  /** Asks for what the paths now say. While paused, it asks once. */
  restart (): void {
    this.#stop()
    if (document.hidden) return
    const { list, events } = this.#listener.paths()
    if (events === undefined || this.#paused || this.#isRefused) this.#poll(list, events)
    else this.#open(list, events)
  }

  #goOn (): void {
    if (!this.#paused) this.restart()
  }

  get #isRefused () { return performance.now() - this.#refusedAt < retryStreamAfter }

  #stop (): void {
    clearTimeout(this.#timer)
    this.#request?.abort()
    this.#source?.close()
    this.#source = this.#request = undefined
  }

  #open (list: string, events: string): void {
    let openedAt = Infinity
    const source = this.#source = new EventSource(events)
    // An EventSource does not say why it fails, but a request for the list does. A stream that was open ends after a while, or
    // with its server. One that never opened was refused, or a proxy holds its events back or cuts it off.
    const failed = () => {
      this.#stop()
      const now = performance.now()
      if (now - openedAt < shortestStream || openedAt === Infinity) this.#refusedAt = now
      this.#poll(list, events)
    }
    source.addEventListener('error', failed)
    source.addEventListener('tasks', event => {
      openedAt = Math.min(openedAt, performance.now())
      clearTimeout(this.#timer)
      this.#arrived('live', JSON.parse(event.data))
    })
    this.#timer = setTimeout(failed, firstEventWithin)
  }

  async #poll (list: string, events?: string): Promise<void> {
    const { signal } = this.#request = new AbortController()
    try {
      const frame = await request<Frame>('GET', list, { signal })
      if (signal.aborted) return
      const polls = events === undefined || this.#isRefused
      this.#arrived(this.#paused ? 'paused' : polls ? 'polling' : 'live', frame)
      if (this.#paused) return
      if (polls) this.#later(this.interval)
      else this.#open(list, events)
    } catch (error) {
      if (signal.aborted) return
      this.#failed(error, signal)
    }
  }

  #failed (error: unknown, signal: AbortSignal): void {
    const isHandled = this.#listener.onFailure(error)
    if (signal.aborted) return // the listener has asked for something else
    if (!isHandled) return this.#lost(troubleIn(error), describe(error), error instanceof ReplyError ? error.retryAfter : undefined)
    this.#refusedAt = -Infinity
    this.#listener.onState(this.#paused ? 'paused' : 'unread')
    this.#later(longestRetry)
  }

  #later (ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.restart(), Math.min(ms, longestDelay))
  }

  #arrived (state: ConnectionState, frame: Frame): void {
    this.#failures = 0
    this.#listener.onState(state)
    this.#listener.onFrame(frame)
  }

  #lost (trouble: Trouble, reason: string, retryAfter = 0): void {
    this.#refusedAt = -Infinity
    this.#listener.onState(trouble, reason)
    if (trouble === 'away') this.#later(Math.max(retryAfter, Math.min(longestRetry, 1000 * 2 ** this.#failures++)))
  }
}
