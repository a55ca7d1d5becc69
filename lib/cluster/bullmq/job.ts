import type { Job, JobState } from 'bullmq'
import type { ClusterWorker, TaskAttempt } from '../../../types/cluster.ts'
import { FST_ERR_TASK_STALLED } from '../errors.ts'
import { attemptOf, MAX_ATTEMPTS_KEPT, type Outcome, type StoredError, type StoredTask } from '../engine.ts'
import { runNameOf } from '../schedule.ts'
import { toStoredError } from '../stored-error.ts'
import { nameOf } from './ids.ts'
import { pack, unpack, type Packed } from './packed.ts'

/** The data of a job. It is written once, with the job. */
export type JobData = Packed & {
  /** Undefined in the jobs of a schedule, which all have the same data. */
  id?: number
  /** The name of the task, or of its schedule, if the job's id has only a digest of it. */
  name?: string
  /**
   * Of a task that is cancelled while it waits. A worker that takes it from now on ends it without a run. `settled`: it is certain that
   * no worker had taken it before this was written, so it has settled. `starts`: how often it had been taken before.
   */
  cancelled?: Pick<StoredTask, 'attempt' | 'startedAt' | 'worker'> & { error: Packed, at: number, starts: number, settled: boolean }
  /** Of a task that was retried: how often, when last, how often it had stalled before, and its earlier runs. */
  retried?: { times: number, at: number, stalls: number, attempts: Packed }
  /** Of a named task: how the earlier tasks of its name ended, the last one first. */
  before?: Packed
}

/** A task that has ended and lost its name. */
export type Ended = Omit<StoredTask, 'name' | 'data' | 'attempts' | 'maxAttempts' | 'dueAt'>

/** How many earlier tasks of a name are remembered, and in how many characters. */
const BEFORE = 10
const BEFORE_LENGTH = 8000

/** How a run ended that did not complete: what BullMQ stores as the reason of a failure. */
export interface Failure extends StoredError {
  status: 'failed' | 'cancelled'
  id: number
  at: number
  /** Which try of the task has ended, if it was retried. */
  retries?: number
  /** It was cancelled while it waited, and nobody has run it since. */
  unrun?: true
}

/** The result of a job. `retries`: of which try of the task, if it was retried. */
export type JobResult = Packed & { id: number, retries?: number }

/** How a task and the earlier ones of its name ended. It is stored with the next task of the name. */
export function packBefore ({ name, data, attempts, maxAttempts, dueAt, ...ended }: StoredTask, before: Packed | undefined): Packed {
  const all = [ended, ...readBefore(before)].slice(0, BEFORE)
  while (JSON.stringify(all).length > BEFORE_LENGTH) all.pop()
  return pack(all)
}

export function readBefore (before: Packed | undefined): Ended[] {
  return before === undefined ? [] : unpack(before) as Ended[]
}

/** What the end of a task says of it: which one it is, and which try of it, if it was retried. */
export function identityOf ({ id, retries }: StoredTask): Pick<JobResult, 'id' | 'retries'> {
  return { id, ...retries > 0 && { retries } }
}

export function toReason (failure: Failure): string {
  return JSON.stringify(failure)
}

/** Undefined for a reason of BullMQ's own. */
export function readReason (reason: string | undefined): Failure | undefined {
  if (!reason) return undefined
  try {
    const failure = JSON.parse(reason)
    return typeof failure?.status === 'string' ? failure : undefined
  } catch {
    return undefined
  }
}

export function workerName ({ host, pid }: ClusterWorker): string {
  return `${host}:${pid}`
}

export function readWorker (name: string | undefined): ClusterWorker | undefined {
  const [, host, pid] = /^(.*):(\d+)$/.exec(name ?? '') ?? []
  return host === undefined ? undefined : { host, pid: Number(pid) }
}

export type TaskJob = Job<JobData, JobResult>

export function nameOfJob (job: TaskJob): string {
  const { name } = job.data
  const time = timeOf(job)
  return nameOf(job.id!) ?? (time === undefined ? name! : runNameOf(name!, time))
}

/** How often a job has stalled since it was added, or since its last retry. */
export function stallsOf (job: TaskJob): number {
  return job.stalledCounter - (job.data.retried?.stalls ?? 0)
}

/** The time of a job that a schedule has made. */
function timeOf (job: TaskJob): number | undefined {
  return job.data.id === undefined ? Number(job.id!.split(':')[2]) : undefined
}

/** Turns a job into a task. `state` was read beside the job. It does not matter for a job that has ended: such a job says so itself. */
export function readJob (job: TaskJob, state: JobState | 'unknown'): StoredTask {
  const { data, attemptsMade, finishedOn, returnvalue } = job
  const time = timeOf(job)
  const { cancelled } = data
  const failure = readReason(job.failedReason)
  const isRunning = state === 'active' && finishedOn === undefined && cancelled?.settled !== true
  const running = cancelled === undefined ? 'running' : 'cancelling'
  const task: StoredTask = {
    name: nameOfJob(job),
    id: data.id ?? time!,
    retries: data.retried?.times ?? 0,
    status: isRunning ? running : 'deferred',
    data: unpack(data),
    progress: typeof job.progress === 'object' ? unpack(job.progress) : undefined,
    result: undefined,
    error: undefined,
    attempt: isRunning ? attemptsMade + 1 : attemptsMade,
    maxAttempts: job.opts.attempts || 1,
    attempts: attemptsOf(job),
    createdAt: job.timestamp,
    startsAt: undefined,
    dueAt: data.retried?.at ?? time ?? job.timestamp + (job.opts.delay ?? 0),
    startedAt: job.processedOn,
    settledAt: finishedOn,
    worker: readWorker(job.processedBy)
  }
  if (isRunning) return task
  if (cancelled !== undefined && (cancelled.settled || failure?.unrun === true)) {
    const { at, error, attempt, startedAt, worker } = cancelled
    return { ...task, status: 'cancelled', error: unpack(error) as StoredError, attempt, startedAt, worker, settledAt: at }
  }
  if (finishedOn !== undefined) {
    if (returnvalue !== null && returnvalue !== undefined) return { ...task, status: 'completed', result: unpack(returnvalue) }
    return { ...task, ...failedAs(failure, task.name) }
  }
  const lastRun = attemptsMade > 0 ? failure : undefined
  return {
    ...task,
    error: lastRun === undefined ? undefined : errorOf(lastRun),
    startsAt: state === 'delayed' ? time ?? (lastRun?.at ?? job.timestamp) + job.delay : undefined
  }
}

/**
 * The runs that have ended. A failed run is stored as the stack of its error, which BullMQ keeps. A completed run is read from the job
 * itself.
 */
function attemptsOf (job: TaskJob): TaskAttempt[] {
  const { data, attemptsMade, processedOn, finishedOn, returnvalue } = job
  const attempts = new Map<string, TaskAttempt>() // after a retry Redis still has the stacks of the tries before
  const earlier = data.retried === undefined ? [] : unpack(data.retried.attempts) as TaskAttempt[]
  const failed = (job.stacktrace ?? []).map(readAttempt).filter(attempt => attempt !== undefined)
  const keep = (attempt: TaskAttempt) => attempts.set(`${attempt.endedAt} ${attempt.attempt}`, attempt)
  for (const attempt of [...earlier, ...failed]) keep(attempt)
  if (finishedOn !== undefined && returnvalue !== null && returnvalue !== undefined) {
    const outcome: Outcome = { status: 'completed', result: undefined }
    keep(attemptOf({ attempt: attemptsMade, startedAt: processedOn, endedAt: finishedOn, worker: readWorker(job.processedBy), outcome }))
  }
  return [...attempts.values()].sort((a, b) => a.endedAt - b.endedAt).slice(-MAX_ATTEMPTS_KEPT)
}

/** Undefined for a stack that is not ours. */
function readAttempt (stack: string): TaskAttempt | undefined {
  try {
    const { attempt, startedAt, endedAt, worker, error } = JSON.parse(stack)
    return { attempt, startedAt, endedAt, worker, error }
  } catch {
    return undefined
  }
}

function errorOf ({ name, message, code, statusCode }: Failure): StoredError {
  return { name, message, code, ...(statusCode !== undefined && { statusCode }) }
}

/** How a task has failed. If the reason is BullMQ's own, it has stalled too often. */
export function failedAs (failure: Failure | undefined, name: string): Pick<StoredTask, 'status' | 'error'> {
  if (failure === undefined) return { status: 'failed', error: toStoredError(new FST_ERR_TASK_STALLED(`task "${name}"`)) }
  return { status: failure.status, error: errorOf(failure) }
}

/** What is not known of a task, or has not happened yet. */
export const blank: StoredTask = {
  name: '',
  id: 0,
  retries: 0,
  status: 'deferred',
  data: undefined,
  progress: undefined,
  result: undefined,
  error: undefined,
  attempt: 0,
  maxAttempts: 1,
  attempts: [],
  createdAt: 0,
  startsAt: undefined,
  dueAt: 0,
  startedAt: undefined,
  settledAt: undefined,
  worker: undefined
}
