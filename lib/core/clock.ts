/**
 * Times as milliseconds since this module was loaded. For 24 days they are small integers, which V8 stores in the task
 * itself. A time since the epoch takes a heap number of its own.
 */
const loadedAt = Date.now()

export function now (): number {
  return Date.now() - loadedAt
}

/** Converts a time of `now()` to milliseconds since the epoch. */
export function epochTime (time: number): number
export function epochTime (time: number | undefined): number | undefined
export function epochTime (time: number | undefined): number | undefined {
  return time === undefined ? undefined : loadedAt + time
}

/** Converts milliseconds since the epoch to a time of `now()`. */
export function clockTime (epochTime: number): number {
  return epochTime - loadedAt
}
