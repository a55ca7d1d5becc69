/**
 * Resolves to true if something happens within `ms`, else to false. `wait` gets a callback, to be called when it has happened. It
 * returns a function that stops waiting, which is called when the time is over. The timer keeps the process alive meanwhile, so
 * that the code after the wait runs. Infinity needs no timer.
 */
export function within (wait: (happened: () => void) => () => void, ms: number): Promise<boolean> {
  return new Promise(resolve => {
    const giveUp = () => {
      leave()
      resolve(false)
    }
    const timer = ms === Infinity ? undefined : setTimeout(giveUp, ms)
    const leave = wait(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}

/** Resolves to true if a promise settles within `ms`, fulfilled or rejected, else to false. */
export function settlesWithin (promise: Promise<unknown>, ms: number): Promise<boolean> {
  return within(happened => {
    promise.then(happened, happened)
    return () => {}
  }, ms)
}
