/**
 * Whether something happens within `ms`. `wait` is given what to call when it has, and answers how to stop waiting: who
 * gives up leaves nothing behind. The timer holds the process, so that an exit cannot cut off whoever waits, and is
 * cleared with the wait; a wait without a limit has none.
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

/** Whether a promise settles within `ms`, however it does. */
export function settlesWithin (promise: Promise<unknown>, ms: number): Promise<boolean> {
  return within(happened => {
    promise.then(happened, happened)
    return () => {}
  }, ms)
}
