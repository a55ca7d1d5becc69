/**
 * Makes a function by which any number of tasks wait for the one event of a source while the source carries one
 * listener: with a listener each, the eleventh task on a signal or a response would raise a MaxListenersExceededWarning.
 * What it returns takes a callback back; the last to leave takes the listener along.
 */
export function sharedListener<Source extends object> (
  listen: (source: Source, fire: () => void) => () => void
): (source: Source, callback: () => void) => () => void {
  const waiting = new WeakMap<Source, { callbacks: Set<() => void>, unlisten: () => void }>()

  return function wait (source, callback) {
    let entry = waiting.get(source)
    if (entry === undefined) {
      const callbacks = new Set<() => void>()
      const unlisten = listen(source, () => {
        waiting.delete(source)
        for (const callback of callbacks) callback()
      })
      entry = { callbacks, unlisten }
      waiting.set(source, entry)
    }
    const { callbacks, unlisten } = entry
    callbacks.add(callback)

    return function leave () {
      if (!callbacks.delete(callback) || callbacks.size > 0) return
      waiting.delete(source)
      unlisten()
    }
  }
}
