/** How a task is told to stop: made when its signal is first looked at, or when it is to stop. */
export class Cancellation {
  /** What its task then ends as; undefined while it may go on. */
  status: 'cancelled' | 'failed' | undefined = undefined
  reason: unknown = undefined
  /** A controller is the dearest part of a task, and most never look at their signal. */
  #signal: AbortController | WeakRef<AbortSignal> | undefined = undefined

  get signal (): AbortSignal {
    const kept = this.#signal instanceof WeakRef ? this.#signal.deref() : this.#signal?.signal
    if (kept !== undefined) return kept
    const controller = new AbortController()
    if (this.status !== undefined) controller.abort(this.reason)
    this.#signal = this.#signal === undefined ? controller : new WeakRef(controller.signal)
    return controller.signal
  }

  /** Aborts the signal, unless nobody has looked at it. */
  abort (): void {
    if (this.#signal instanceof AbortController) this.#signal.abort(this.reason)
  }

  /** Leaves the signal, aborted if it is to be, to those who have it: what listens to it may hold a request. */
  end (): void {
    if (this.status !== undefined) this.abort()
    if (this.#signal instanceof AbortController) this.#signal = new WeakRef(this.#signal.signal)
  }
}
