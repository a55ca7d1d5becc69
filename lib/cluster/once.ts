/** Something that happens once. */
export class Once<Result = void> {
  readonly #callbacks = new Set<() => Result>()
  #happened = false

  /** Calls back when it happens; at once if it has. Returns a function that takes this back. */
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
