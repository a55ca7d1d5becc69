import { isDeepStrictEqual } from 'node:util'
import type { When } from '../../../types/cluster.ts'
import type { StoredSchedule } from '../engine.ts'
import { MAX_TIME, nextCronTime, runNameOf } from '../schedule.ts'
import type { LocalTask, NewLocalTask } from './task.ts'

/** A schedule, and the task that is to run next. */
interface LocalSchedule {
  readonly name: string
  when: When
  data: unknown
  priority: number
  next: LocalTask
}

/** What schedules need of the queue. */
interface Timetable {
  /** Adds a task, unless an unsettled one has its name. */
  add (task: NewLocalTask): LocalTask | undefined
  /** Drops a task that has not started. */
  withdraw (task: LocalTask): void
}

/** The first time of a schedule after another time; undefined if there is none. */
function nextTime (when: When, after: number): number | undefined {
  if (when.every === undefined) return nextCronTime(when, after)
  const time = (Math.floor(after / when.every) + 1) * when.every
  return time <= MAX_TIME ? time : undefined
}

/** The schedules of a kind. Each has its next task in the queue. */
export class Schedules {
  readonly #timetable: Timetable
  readonly #schedules = new Map<string, LocalSchedule>()
  /** The schedules by their next tasks. */
  readonly #byTask = new Map<LocalTask, LocalSchedule>()

  constructor (timetable: Timetable) {
    this.#timetable = timetable
  }

  /** Sets a schedule. If its times and priority have not changed, it keeps its next task, which may be due already. */
  set (name: string, when: When, data: unknown, priority: number): void {
    const known = this.#schedules.get(name)
    if (known !== undefined && isDeepStrictEqual(known.when, when) && known.priority === priority) {
      known.data = known.next.data = data
      return
    }
    this.delete(name)
    this.#addNext({ name, when, data, priority }, Date.now())
  }

  delete (name: string): boolean {
    const schedule = this.#schedules.get(name)
    if (schedule === undefined) return false
    this.#schedules.delete(name)
    this.#byTask.delete(schedule.next)
    this.#timetable.withdraw(schedule.next)
    return true
  }

  clear (): void {
    this.#schedules.clear()
    this.#byTask.clear()
  }

  /** A task has started, or was cancelled before that. If it is the next task of a schedule, the one after it is added. */
  passed (task: LocalTask): void {
    const schedule = this.#byTask.get(task)
    if (schedule === undefined) return
    this.#byTask.delete(task)
    this.#addNext(schedule, Math.max(task.id, Date.now()))
  }

  /** Whether a task is the next one of a schedule. */
  isNext (task: LocalTask): boolean {
    return this.#byTask.has(task)
  }

  toArray (): StoredSchedule[] {
    return Array.from(this.#schedules.values(), ({ name, when, data, next }) => ({ name, when, data: structuredClone(data), nextAt: next.id }))
      .sort((a, b) => a.nextAt - b.nextAt)
  }

  /**
   * Adds the next task of a schedule. A time is skipped if another task has the name for it. A schedule that has no next time
   * ends.
   */
  #addNext (schedule: Omit<LocalSchedule, 'next'>, after: number) {
    const { name, when, data, priority } = schedule
    for (let time = nextTime(when, after); time !== undefined; time = nextTime(when, time)) {
      const next = this.#timetable.add({ name: runNameOf(name, time), id: time, unique: false, data, delay: Math.max(0, time - Date.now()), startsAt: time, priority })
      if (next === undefined) continue
      const followed = { ...schedule, next }
      this.#schedules.set(name, followed)
      this.#byTask.set(next, followed)
      return
    }
    this.#schedules.delete(name)
  }
}
