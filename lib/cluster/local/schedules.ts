import { isDeepStrictEqual } from 'node:util'
import { Cron } from 'croner'
import type { When } from '../../../types/cluster.ts'
import type { NewTask, StoredSchedule } from '../engine.ts'
import { runNameOf } from '../run-name.ts'
import type { LocalTask } from './task.ts'

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
  add (task: NewTask): LocalTask | undefined
  /** Drops a task that has not started. */
  withdraw (task: LocalTask): void
}

/** The first time of a schedule after another time. */
function nextTime (when: When, after: number): number {
  if (when.every !== undefined) return (Math.floor(after / when.every) + 1) * when.every
  const { cron, timeZone } = when
  return new Cron(cron, { paused: true, ...timeZone !== undefined && { timezone: timeZone } }).nextRun(new Date(after))!.getTime()
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

  /** Declared again with the same times it keeps its next task, which may be due already. */
  set (name: string, when: When, data: unknown, priority: number): void {
    const known = this.#schedules.get(name)
    if (known !== undefined && isDeepStrictEqual(known.when, when) && known.priority === priority) {
      known.data = known.next.data = data
      return
    }
    this.delete(name)
    const schedule = { name, when, data, priority }
    this.#follow({ ...schedule, next: this.#addNext(schedule, Date.now()) })
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

  /** A task has started, or never will: if it is the next one of a schedule, the one after it comes into the queue. */
  passed (task: LocalTask): void {
    const schedule = this.#byTask.get(task)
    if (schedule === undefined) return
    this.#byTask.delete(task)
    schedule.next = this.#addNext(schedule, Math.max(task.id, Date.now()))
    this.#follow(schedule)
  }

  toArray (): StoredSchedule[] {
    return Array.from(this.#schedules.values(), ({ name, when, data, next }) => ({ name, when, data: structuredClone(data), nextAt: next.id }))
      .sort((a, b) => a.nextAt - b.nextAt)
  }

  #follow (schedule: LocalSchedule) {
    this.#schedules.set(schedule.name, schedule)
    this.#byTask.set(schedule.next, schedule)
  }

  /** A time whose name someone else's task has taken is left out. */
  #addNext ({ name, when, data, priority }: Omit<LocalSchedule, 'next'>, after: number): LocalTask {
    let time = after
    let task
    do {
      time = nextTime(when, time)
      task = this.#timetable.add({ name: runNameOf(name, time), id: time, unique: false, data, delay: time - Date.now(), priority })
    } while (task === undefined)
    return task
  }
}
