const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** A length of time, to two units: `240 ms`, `4 s`, `4.2 s`, `3 m 05 s`, `2 h 10 m`, `3 d 04 h`. */
export function duration (ms: number): string {
  if (ms < second) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 9950 && ms % second !== 0) return `${(ms / second).toFixed(1)} s`
  const seconds = Math.floor(ms / second)
  if (ms < minute) return `${seconds} s`
  if (ms < hour) return `${Math.floor(ms / minute)} m ${pad(seconds % 60)} s`
  if (ms < day) return `${Math.floor(ms / hour)} h ${pad(Math.floor(ms / minute) % 60)} m`
  return `${Math.floor(ms / day)} d ${pad(Math.floor(ms / hour) % 24)} h`
}

/** A length of time that still grows, to two units, in whole seconds. */
export function elapsed (ms: number): string {
  return ms < second ? '< 1 s' : duration(Math.floor(ms / second) * second)
}

/** A length of time that still grows, to one unit, so that it is quick to read: `now`, `42 s`, `3 m`, `2 h`, `5 d`. */
export function age (ms: number): string {
  if (ms < second) return 'now'
  if (ms < minute) return `${Math.floor(ms / second)} s`
  if (ms < hour) return `${Math.floor(ms / minute)} m`
  if (ms < 2 * day) return `${Math.floor(ms / hour)} h`
  return `${Math.floor(ms / day)} d`
}

/** A time to come, to one unit: `now`, `in 4 s`, `in 3 m`. */
export function until (ms: number): string {
  return ms < second ? 'now' : `in ${age(ms)}`
}

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const clockTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const minuteTime = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' })

export function date (time: string | number): string {
  return dateTime.format(new Date(time))
}

const exactDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const exact = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' })
const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

/** A time to the millisecond, with its day unless that is the day of the time before. */
export function exactTime (time: number, previous?: number): string {
  const day = exactDay.format(time)
  return previous !== undefined && exactDay.format(previous) === day ? exact.format(time) : `${day}, ${exact.format(time)}`
}

/** A time with its time zone. */
export function moment (time: number): string {
  return zoned.format(time)
}

export function clock (time: Date): string {
  return clockTime.format(time)
}

/** The hour and minute of a time. */
export function timeOfDay (time: number): string {
  return minuteTime.format(time)
}

const number = new Intl.NumberFormat()

export function count (n: number): string {
  return number.format(n)
}

/** `1 task`, `2,000 tasks` */
export function plural (n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`
}

/** A value on one line: a string as it is, anything else as JSON. */
export function inline (value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A value on as many lines as it takes. */
export function block (value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, undefined, 2)
}

function pad (n: number): string {
  return String(n).padStart(2, '0')
}
