import { describe, ReplyError, request } from './api.ts'

export type ConnectionState = 'connecting' | 'live' | 'polling' | 'paused' | 'lost'

/** Where what is watched is found: its list, and the events that tell it again, if there are any. */
export interface Paths { list: string, events?: string }

export interface StreamListener<Frame> {
  paths: () => Paths
  onFrame: (frame: Frame) => void
  onState: (state: ConnectionState, reason?: string) => void
  /** The server answers, but with an error. Says whether that was dealt with; else it counts as a lost connection. */
  onRefused: (error: ReplyError) => boolean
}

const patience = 5000
const shortestStream = 2000
const retryStreamAfter = 30_000
const longestRetry = 10_000

/**
 * Keeps the page up to date: by server-sent events where the server takes one more stream, by polling where it does not.
 * A lost connection is tried again until it is back. A page that nobody sees watches nothing: it would take up one of the
 * few streams of the server, and one of the six connections that a browser opens to it.
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
      this.#lost('This device is offline.')
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

  /** Watches what the paths now say. While paused, shows it once. */
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
    // An EventSource does not tell why it fails: a request of the list does. A stream that was open has ended as all do
    // after a while, or with its server. One that never opened was refused, or a proxy on the way keeps its events back,
    // or cuts off what takes long.
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
    this.#timer = setTimeout(failed, patience)
  }

  async #poll (list: string, events?: string): Promise<void> {
    const { signal } = this.#request = new AbortController()
    try {
      const frame = await request<Frame>('GET', list, signal)
      if (signal.aborted) return
      const polls = events === undefined || this.#isRefused
      this.#arrived(this.#paused ? 'paused' : polls ? 'polling' : 'live', frame)
      if (this.#paused) return
      if (polls) this.#later(this.interval)
      else this.#open(list, events)
    } catch (error) {
      if (signal.aborted) return
      this.#refusedAt = -Infinity
      if (error instanceof ReplyError && this.#listener.onRefused(error)) {
        if (signal.aborted) return
        this.#listener.onState(this.#paused ? 'paused' : 'polling')
        this.#later(longestRetry)
      } else {
        this.#lost(describe(error))
      }
    }
  }

  #later (ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.restart(), ms)
  }

  #arrived (state: ConnectionState, frame: Frame): void {
    this.#failures = 0
    this.#listener.onState(state)
    this.#listener.onFrame(frame)
  }

  #lost (reason: string): void {
    if (!this.#paused) this.#listener.onState('lost', reason)
    this.#later(Math.min(longestRetry, 1000 * 2 ** this.#failures++))
  }
}
