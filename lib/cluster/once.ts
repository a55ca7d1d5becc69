/** Something that happens once. Whoever subscribes after it has happened is called at once. */
export class Once<Result = void> {
  readonly #callbacks = new Set<() => Result>()
  #happened = false

  /** Calls back when it happens. Returns how to take that back. */
  subscribe (callback: () => Result): () => void {
    if (this.#happened) callback()
    else this.#callbacks.add(callback)
    return () => { this.#callbacks.delete(callback) }
  }

  /** It happens now. Returns what the callbacks return. */
  happen (): Result[] {
    this.#happened = true
    const callbacks = [...this.#callbacks]
    this.#callbacks.clear()
    return callbacks.map(callback => callback())
  }
}
