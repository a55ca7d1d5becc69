import { createHash } from 'node:crypto'
import { runNameOf } from '../schedule.ts'

/** PostgreSQL's indexes take keys of some 2,700 bytes; queue and id are one key. */
const MAX_LENGTH = 500

/**
 * A name in the form that BullMQ takes for queues and ids. Letters, digits, space and `_ . @ / + -` stay. Any other character, also
 * `:`, becomes `%` and the four hex digits of its UTF-16 code. A name that gets too long becomes a digest.
 */
export function encodeName (name: string): string {
  const encoded = name.replace(/[^\w.@/+ -]/g, char => `%${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return encoded.length > MAX_LENGTH ? `%-${createHash('sha256').update(encoded).digest('base64url')}` : encoded
}

/** The name that was encoded; undefined for a digest. */
export function decodeName (encoded: string): string | undefined {
  if (!encoded.includes('%')) return encoded
  if (encoded.startsWith('%-')) return undefined
  return encoded.replace(/%([0-9a-f]{4})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
}

const runName = /^(.+)@(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/s

/**
 * The id of a task's job. It begins with `~`, because BullMQ refuses integers as ids and has keys of its own beside its jobs
 * (`wait`, `meta`). BullMQ itself gives the job of a schedule the id `repeat:<schedule>:<time>`. Any task of such a name gets the same
 * id, so that one name has one id.
 */
export function jobIdOf (name: string): string {
  const [, schedule, iso] = runName.exec(name) ?? []
  const time = iso === undefined ? NaN : Date.parse(iso)
  if (schedule !== undefined && time >= 0 && runNameOf(schedule, time) === name) return `repeat:${encodeName(schedule)}:${time}`
  return `~${encodeName(name)}`
}

/** Whether this is the id of a task's job. Something else may have added jobs to the queue. */
export function isTaskId (jobId: string): boolean {
  return /^(~|repeat:.*:\d+$)/s.test(jobId)
}

/** Whether the name cannot be read from a job id. */
export function isDigest (jobId: string): boolean {
  return jobId.includes('%-')
}

/** The name of the task that has this job id; undefined if the id contains a digest. */
export function nameOf (jobId: string): string | undefined {
  if (jobId.startsWith('~')) return decodeName(jobId.slice(1))
  const [, schedule, time] = jobId.split(':')
  const name = decodeName(schedule!)
  return name === undefined ? undefined : runNameOf(name, Number(time))
}
