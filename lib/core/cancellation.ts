/** The abort of a task's work. It is made when the task's signal is first read, or when the work is aborted. */
export class Cancellation {
  /** The status with which the task settles if the abort ends its work. Undefined while the work is not aborted. */
  status: 'cancelled' | 'failed' | undefined = undefined
  reason: unknown = undefined
  /** Made late: a controller takes more memory than the rest of a task, and most tasks never read their signal. */
  #signal: AbortController | WeakRef<AbortSignal> | undefined = undefined

  get signal (): AbortSignal {
    const kept = this.#signal instanceof WeakRef ? this.#signal.deref() : this.#signal?.signal
    if (kept !== undefined) return kept
    const controller = new AbortController()
    if (this.status !== undefined) controller.abort(this.reason)
    this.#signal = this.#signal === undefined ? controller : new WeakRef(controller.signal)
    return controller.signal
  }

  /** Aborts the signal, if it was read. */
  abort (): void {
    if (this.#signal instanceof AbortController) this.#signal.abort(this.reason)
  }

  /** The task has settled. Keeps the signal weakly from now on, since a listener of the signal may hold a request. */
  end (): void {
    if (this.status !== undefined) this.abort()
    if (this.#signal instanceof AbortController) this.#signal = new WeakRef(this.#signal.signal)
  }
}
