/**
 * Times as milliseconds since this module was loaded. They are small integers (for 24 days, and right after), which V8
 * keeps in the task itself, where times since the epoch take a heap number each.
 */
const loadedAt = Date.now()

export function now (): number {
  return Date.now() - loadedAt
}

export function epochTime (time: number): number
export function epochTime (time: number | undefined): number | undefined
export function epochTime (time: number | undefined): number | undefined {
  return time === undefined ? undefined : loadedAt + time
}
