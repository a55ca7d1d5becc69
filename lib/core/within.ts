/**
 * Resolves to whether something happens within `ms`. `wait` gets a callback to call when it has happened, and returns what
 * stops waiting, which is called when the time is up. The timer keeps the process alive meanwhile, so that the code after the
 * wait runs. Infinity needs no timer.
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

/** Resolves to whether a promise settles within `ms`, fulfilled or rejected. */
export function settlesWithin (promise: Promise<unknown>, ms: number): Promise<boolean> {
  return within(happened => {
    promise.then(happened, happened)
    return () => {}
  }, ms)
}
