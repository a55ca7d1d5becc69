/**
 * Whether `settlement` resolves within `ms`. Its timer holds the process, so that an exit cannot cut off whoever waits,
 * and is cleared with the wait.
 */
export async function within (settlement: Promise<unknown>, ms: number): Promise<boolean> {
  if (ms === Infinity) return settlement.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const expiry = new Promise<false>(resolve => { timer = setTimeout(resolve, ms, false) })
  const inTime = await Promise.race([settlement.then(() => true), expiry])
  clearTimeout(timer)
  return inTime
}
