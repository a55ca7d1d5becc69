/**
 * Formats the stack traces of an error and of what it was caused by. V8 does so when a trace is first read, and until then
 * keeps alive what its frames hold: the receivers, and through them the request that the work was for.
 */
export function letGoOfFrames (error: unknown): void {
  const seen = new Set<unknown>()
  const pending = [error]
  try {
    while (pending.length > 0) {
      const next = pending.pop()
      if (Object(next) !== next || seen.has(next)) continue
      seen.add(next)
      const { stack, cause, errors } = next as { stack?: unknown, cause?: unknown, errors?: unknown }
      pending.push(stack, cause)
      if (Array.isArray(errors)) pending.push(...errors)
    }
  } catch {
    // What cannot be read is left as it is.
  }
}
