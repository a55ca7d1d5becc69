import type { JobsOptions, RepeatOptions } from 'bullmq'
import { Cron } from 'croner'
import { isDeepStrictEqual } from 'node:util'
import type { When } from '../../../types/cluster.ts'
import type { StoredSchedule } from '../engine.ts'
import { runNameOf } from '../schedule.ts'
import type { Try } from './cancellations.ts'
import { decodeName, encodeName } from './ids.ts'
import type { JobData } from './job.ts'
import { pack, unpack } from './packed.ts'
import type { AnyQueue } from './store.ts'

/** Computes the times of a cron expression, as the engine without a server does. */
export const repeatStrategy = (millis: number, { pattern, tz }: RepeatOptions): number | undefined => {
  return new Cron(pattern!, { timezone: tz!, paused: true }).nextRun(new Date(millis))?.getTime()
}

/**
 * Sets a schedule, one of BullMQ's job schedulers. A schedule that does not change is left alone: BullMQ would drop its next task, which
 * may be due already. A schedule that has lost its next task is set again. The caller holds a lease.
 */
export async function setSchedule (queue: AnyQueue, name: string, when: When, data: unknown, options: JobsOptions): Promise<void> {
  const id = encodeName(name)
  const wanted = {
    pattern: when.cron,
    tz: when.timeZone,
    every: when.every,
    data: { ...(decodeName(id) === undefined && { name }), ...pack(data) } as JobData,
    options
  }
  const found = await queue.getJobScheduler(id)
  if (found !== undefined) {
    const { pattern, tz, every, template: { data = {}, opts = {} } = {} } = found
    const isWanted = isDeepStrictEqual({ pattern, tz, every, data, options: opts }, wanted)
    if (isWanted && await hasNext(queue, id, found.next)) return
  }
  const repeat = { pattern: wanted.pattern, tz: wanted.tz, every: wanted.every, startDate: firstOf(when.every) }
  await queue.upsertJobScheduler(id, given(repeat), { name: queue.name, data: wanted.data, opts: options })
}

/** Whether the next task of a schedule is there and has not ended. */
async function hasNext (queue: AnyQueue, id: string, next: number | undefined): Promise<boolean> {
  const job = await queue.getJob(`repeat:${id}:${next}`)
  return job !== undefined && job.finishedOn === undefined
}

/** Removes a schedule and its next task. If that was cancelled, its mark goes too: a schedule that is set again may have a task of that time. */
export async function removeSchedule (queue: AnyQueue, name: string, forget: (next: Try) => void): Promise<boolean> {
  const id = encodeName(name)
  const next = (await queue.getJobScheduler(id))?.next
  const removed = await queue.removeJobScheduler(id)
  if (next !== undefined && await queue.getJob(`repeat:${id}:${next}`) === undefined) forget({ name: runNameOf(name, next), id: next, retries: 0 })
  return removed
}

/**
 * All schedules, the next to start first. This does not call BullMQ's `getJobSchedulers`: if a scheduler is removed between its two
 * reads, it removes the scheduler again, even one that was set again meanwhile.
 */
export async function listSchedules (queue: AnyQueue): Promise<StoredSchedule[]> {
  const range: string[] = await queue.getBackend().getJobSchedulersRange(0, -1, true)
  const ids = range.filter((_, i) => i % 2 === 0) // each is followed by its next time
  const schedulers = await Promise.all(ids.map(id => queue.getJobScheduler(id)))
  return schedulers.filter(scheduler => scheduler !== undefined && scheduler !== null).map(({ key, pattern, tz, every, next, template }) => {
    const data: JobData = template?.data ?? {}
    return {
      name: decodeName(key) ?? data.name!,
      when: pattern === undefined ? { every: every! } : { cron: pattern, timeZone: tz },
      data: unpack(data),
      nextAt: next!
    }
  }).sort((a, b) => a.nextAt - b.nextAt)
}

/** Multiples of the interval since the epoch are the same in every process. */
function firstOf (every: number | undefined): number | undefined {
  return every === undefined ? undefined : Math.ceil(Date.now() / every) * every
}

/** BullMQ takes an option that is undefined for one that is given. */
function given (options: { [Option in keyof RepeatOptions]?: RepeatOptions[Option] | undefined }): RepeatOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
