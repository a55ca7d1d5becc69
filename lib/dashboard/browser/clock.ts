/** The server's clock: ages are right on a laptop whose own clock is not. It stands still while the page is paused. */
export class Clock {
  #ahead = 0
  #stoppedAt: number | undefined

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
}
