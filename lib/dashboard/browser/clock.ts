/**
 * The server's clock. With it, ages are right even if the clock of this device is wrong. Once a second it updates everything on the
 * page that shows time. It stands still while the page is paused or has lost the server.
 */
export class Clock {
  #ahead = 0
  #stoppedAt: number | undefined
  readonly #listeners: Array<(now: number) => void> = []

  constructor () {
    setInterval(() => this.tick(), 1000)
  }

  /** Sets the time, in milliseconds since the epoch. */
  set (serverTime: number): void {
    this.#ahead = serverTime - Date.now()
  }

  now (): number {
    return this.#stoppedAt ?? Date.now() + this.#ahead
  }

  stop (): void {
    this.#stoppedAt ??= this.now()
  }

  go (): void {
    this.#stoppedAt = undefined
  }

  onTick (listener: (now: number) => void): void {
    this.#listeners.push(listener)
  }

  tick (): void {
    if (this.#stoppedAt !== undefined) return
    const now = this.now()
    for (const listener of this.#listeners) listener(now)
  }
}
