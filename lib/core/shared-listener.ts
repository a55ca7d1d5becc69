/**
 * Makes a function with which any number of tasks wait for one event of a source, such as the abort of a signal. The source gets
 * one listener for all of them. With a listener for each, Node would warn of the eleventh (MaxListenersExceededWarning).
 *
 * That function returns another, which removes the callback. The listener is removed with the last callback.
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
