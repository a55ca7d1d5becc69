/**
 * Whether `settlement`, which never rejects, resolves within `ms`. Its timer holds the process, so that an exit cannot
 * cut off whoever waits, and is cleared with the wait; a wait without a limit has none.
 */
export function within (settlement: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = ms === Infinity ? undefined : setTimeout(resolve, ms, false)
    settlement.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
