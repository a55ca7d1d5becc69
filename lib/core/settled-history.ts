import type { TaskStatus } from '../../types/index.ts'
import { clockTime } from './clock.ts'
import { StatusCounts } from './status-counts.ts'

/** How many tasks settled in one minute. */
export interface SettledMinute {
  /** Milliseconds since the epoch at which the minute began. */
  time: number
  completed: number
  failed: number
  cancelled: number
}

const MINUTE = 60_000
const MINUTES = 60

/** Counts the tasks that settle, by the minute, for the last hour. It has no timer: a minute begins with the first task that settles in it. */
export class SettledHistory {
  /** Minute n is at index n % 60. If no task settled in a minute, its entry is missing or still that of an earlier hour. */
  readonly #minutes: { number: number, counts: StatusCounts }[] = []
  #counts = new StatusCounts()
  /** When the present minute ends, as a time of `now()`. */
  #endsAt = -Infinity

  add (status: TaskStatus, settledAt: number): void {
    if (settledAt >= this.#endsAt) this.#beginMinute()
    this.#counts.add(status, 1)
  }

  /** The last 60 minutes, the oldest first and the present one last. */
  toArray (): SettledMinute[] {
    const present = minuteNumber()
    return Array.from({ length: MINUTES }, (_, i) => {
      const number = present - MINUTES + 1 + i
      const minute = this.#minutes[number % MINUTES]
      const { completed, failed, cancelled } = minute?.number === number ? minute.counts : new StatusCounts()
      return { time: number * MINUTE, completed, failed, cancelled }
    })
  }

  #beginMinute () {
    const number = minuteNumber()
    this.#counts = new StatusCounts()
    this.#minutes[number % MINUTES] = { number, counts: this.#counts }
    this.#endsAt = clockTime((number + 1) * MINUTE)
  }
}

function minuteNumber (): number {
  return Math.floor(Date.now() / MINUTE)
}
