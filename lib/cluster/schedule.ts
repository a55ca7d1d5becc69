import { Cron } from 'croner'

/** The last time that a `Date` can hold. */
export const MAX_TIME = 8.64e15

const FIELD = /^[\d*,\-/#a-z]+$/i
const NAME = /^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat|l)$/i

/** The name of the task that a schedule runs at a time. */
export function runNameOf (schedule: string, time: number): string {
  return `${schedule}@${new Date(time).toISOString()}`
}

/** The first time of a cron expression after another time; undefined if there is none. The same on all engines. */
export function nextCronTime ({ cron, timeZone }: { cron: string, timeZone?: string | undefined }, after: number): number | undefined {
  const expression = new Cron(cron, { paused: true, ...timeZone !== undefined && { timezone: timeZone } })
  return expression.nextRun(new Date(after))?.getTime()
}

/**
 * Whether a value is a cron expression of five fields, or of six with seconds first, in the forms that every parser reads alike,
 * and has a next time. croner alone would also take years, `W`, `+`, `?`, nicknames and dates.
 */
export function isCron (value: unknown): value is string {
  if (typeof value !== 'string') return false
  const fields = value.trim().split(/\s+/)
  if (fields.length !== 5 && fields.length !== 6) return false
  if (!fields.every(field => FIELD.test(field) && (field.match(/[a-z]+/gi) ?? []).every(name => NAME.test(name)))) return false
  try {
    return nextCronTime({ cron: value }, Date.now()) !== undefined
  } catch {
    return false
  }
}
