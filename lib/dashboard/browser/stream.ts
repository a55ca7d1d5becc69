import { describe, get } from './api.ts'

export type ConnectionState = 'connecting' | 'live' | 'polling' | 'paused' | 'lost'

export interface StreamListener<Frame> {
  /** What is to be watched, as a query. */
  query: () => string
  onFrame: (frame: Frame) => void
  onState: (state: ConnectionState, reason?: string) => void
}

const patience = 5000
const retryStreamAfter = 30_000
const longestRetry = 10_000

/**
 * Keeps the page up to date: by server-sent events where the server takes one more stream, by polling where it does not.
 * A lost connection is tried again until it is back. A page that nobody sees watches nothing: it would take up one of the
 * few streams of the server, and one of the six connections that a browser opens to it.
 */
export class Stream<Frame> {
  interval = 1000
  #listener: StreamListener<Frame>
  #source: EventSource | undefined
  #request: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #paused = false
  #failures = 0
  #refusedAt = -Infinity

  constructor (listener: StreamListener<Frame>) {
    this.#listener = listener
    document.addEventListener('visibilitychange', () => document.hidden ? this.#stop() : this.restart())
    addEventListener('online', () => this.restart())
    addEventListener('offline', () => this.#lost('This device is offline.'))
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

  /** Watches what the query now says. While paused, shows it once. */
  restart (): void {
    this.#stop()
    if (document.hidden) return
    if (this.#paused || this.#isRefused) this.#poll()
    else this.#open()
  }

  #stop (): void {
    clearTimeout(this.#timer)
    this.#request?.abort()
    this.#source?.close()
    this.#source = this.#request = undefined
  }

  #open (): void {
    let opened = false
    const source = this.#source = new EventSource(`events?${this.#listener.query()}`)
    // An EventSource does not tell why it fails: a request of the list does. A stream that was open has ended as all do
    // after a while, or with its server. One that never opened was refused, or a proxy on the way keeps its events back.
    const failed = () => {
      this.#stop()
      if (!opened) this.#refusedAt = performance.now()
      this.#poll()
    }
    source.addEventListener('error', failed)
    source.addEventListener('tasks', event => {
      opened = true
      clearTimeout(this.#timer)
      this.#arrived('live', JSON.parse(event.data))
    })
    this.#timer = setTimeout(failed, patience)
  }

  async #poll (): Promise<void> {
    const { signal } = this.#request = new AbortController()
    try {
      const frame = await get<Frame>(`tasks?${this.#listener.query()}`, signal)
      if (signal.aborted) return
      this.#arrived(this.#paused ? 'paused' : this.#isRefused ? 'polling' : 'live', frame)
      if (this.#paused) return
      if (this.#isRefused) this.#later(this.interval)
      else this.#open()
    } catch (error) {
      if (signal.aborted) return
      this.#refusedAt = -Infinity
      this.#lost(describe(error))
      this.#later(Math.min(longestRetry, 1000 * 2 ** this.#failures++))
    }
  }

  get #isRefused () { return performance.now() - this.#refusedAt < retryStreamAfter }

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
  }
}
