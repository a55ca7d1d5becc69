/**
 * Reads the stacks of an error, of its causes and of its errors. V8 formats a stack when it is first read. Until then it keeps
 * alive the objects that the frames refer to, such as the request that the work was for.
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
    // An error with a getter that throws keeps its frames.
  }
}
