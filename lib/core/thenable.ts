/** Whether `await value` would wait. A `then` that cannot be read counts: awaiting it rejects with what its getter throws. */
export function isThenable (value: unknown): value is PromiseLike<unknown> {
  try {
    return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
  } catch {
    return true
  }
}
