import { createError } from '@fastify/error'
import type { FastifyInstance } from 'fastify'
import type { ClusterTask, ClusterWork, KindOptions } from '../../types/cluster.ts'
import type { Task as PublicTask } from '../../types/index.ts'
import { isGenerator, isThenable, type GeneratorWork } from '../core/work.ts'
import { Task } from '../core/task.ts'
import type { TaskRegistry } from '../core/task-registry.ts'
import { assertTimeLeft, failAtDeadline, isTooLate } from './deadline.ts'
import type { OnSettled, Outcome, Run, StoredTask } from './engine.ts'
import { FST_ERR_TASK_DEADLINE, FST_ERR_TASK_INVALID_DATA } from './errors.ts'
import { copyJson } from './json.ts'
import type { KindSettings } from './options.ts'
import { RunningTask } from './running-task.ts'
import { toStoredError } from './stored-error.ts'

/** What a run fails with whose progress or result is no JSON. It is the code of bad data, but no client has sent this: it is a 500. */
const NotStorable = createError<'FST_ERR_TASK_INVALID_DATA', 500, [what: 'progress' | 'result', task: string, problem: string]>(
  'FST_ERR_TASK_INVALID_DATA',
  'The %s of %s cannot be stored as JSON: %s',
  500
)

/** How the work of a kind is run in this process: as a task of the core, which logs, traces, times and reports it. Work is called with `app`. */
export function runWith (registry: TaskRegistry, app: FastifyInstance, kind: string, work: ClusterWork, { timeout, deadline, backoff }: Pick<KindSettings, 'timeout' | 'deadline' | 'backoff'>): Run {
  const kindLog = app.log.child({ kind })
  return (stored, progressed, refusal) => {
    const { name, data, attempt, maxAttempts } = stored
    // Where there is one attempt, the lines need not tell it, and the run costs no logger of its own.
    const log = maxAttempts > 1 ? kindLog.child({ attempt, maxAttempts }) : kindLog
    const label = `task "${name}"`
    let { progress } = stored

    /** Takes a new progress if it is JSON; else the run fails. */
    const takeProgress = (core: Task) => {
      try {
        progress = core.progress === undefined ? undefined : copyJson(core.progress, 'progress')
      } catch (error) {
        return Task.abort(core, new NotStorable('progress', label, (error as Error).message), 'failed')
      }
      progressed()
    }

    const start = (app: FastifyInstance, task: PublicTask) => {
      if (refusal !== undefined) throw refusal
      const core = task as Task
      assertTimeLeft(stored, deadline, label)
      if (progress !== undefined) core.progress = progress
      onProgress(core, takeProgress)
      return mapResult(work(app, new RunningTask(core, stored)), result => toJson(result, label))
    }

    const core = registry.addRun(app, start, { name, kind, data, timeout, log })
    failAtDeadline(core, stored, deadline, label)
    return {
      outcome: new Promise(resolve => Task.onceSettled(core, () => resolve(outcomeOf(core, stored, () => isTooLate(stored, deadline, backoff))))),
      progress: () => structuredClone(progress),
      abort: reason => Task.abort(core, reason),
      abandon: () => registry.forgetRun(core) // else the core's close would wait for it as well
    }
  }
}

/** How a kind's `onSettled` is called: as a task of the core, too. */
export function onSettledWith (
  registry: TaskRegistry, app: FastifyInstance, kind: string, onSettled: NonNullable<KindOptions['onSettled']>, toTask: (stored: StoredTask) => ClusterTask<any, any>
): OnSettled {
  const log = app.log.child({ kind })
  return async stored => {
    const { name, data } = stored
    const core = registry.addRun(app, app => onSettled(app, toTask(stored)), { name, kind: `${kind}:onSettled`, data, log })
    await core.finished
  }
}

/** Calls back when a task has new progress. A task notifies of a new status in the same way, so changes of the status are left out. */
function onProgress (core: Task, callback: (core: Task) => void) {
  let { status } = core
  Task.onChange(core, () => {
    if (core.status === status) callback(core)
    else status = core.status
  })
}

/** The same work with another result: a value, a promise of one, or a generator that returns one. */
function mapResult (work: unknown, map: (result: unknown) => unknown): unknown {
  if (isThenable(work)) return Promise.resolve(work).then(map)
  return isGenerator(work) ? mapReturn(work, map) : map(work)
}

/** A generator that does what another does and returns something else. It is no `yield *`, which would add steps of its own. */
function mapReturn (generator: GeneratorWork<unknown, unknown>, map: (result: unknown) => unknown) {
  const mapStep = (step: IteratorResult<unknown> | PromiseLike<IteratorResult<unknown>>): unknown => {
    if ('then' in step) return step.then(mapStep)
    return step.done === true ? { done: true, value: map(step.value) } : step
  }
  return {
    [Symbol.asyncIterator in generator ? Symbol.asyncIterator : Symbol.iterator] () { return this },
    next: () => mapStep(generator.next()),
    throw: (reason: unknown) => mapStep(generator.throw(reason))
  }
}

function toJson (result: unknown, label: string): unknown {
  try {
    const json = JSON.stringify(result)
    return json === undefined ? undefined : JSON.parse(json)
  } catch (error) {
    throw new NotStorable('result', label, (error as Error).message)
  }
}

/** How a run has ended. Nobody awaits the core's task of an attempt that is tried again, so its rejection is marked as handled. */
function outcomeOf (core: Task, { attempt, maxAttempts }: StoredTask, isTooLate: () => boolean): Outcome {
  const { status, error, result } = core
  if (status === 'completed') return { status, result }
  if (status === 'cancelled') return { status, error: toStoredError(error) }
  const outcome = failure(error, isTooLate())
  if (!outcome.final && attempt < maxAttempts) core.finished.catch(() => {})
  return outcome
}

function failure (error: unknown, isLast: boolean): Outcome & { status: 'failed' } {
  const final = isLast || error instanceof FST_ERR_TASK_INVALID_DATA || error instanceof FST_ERR_TASK_DEADLINE || isFinal(error)
  return { status: 'failed', error: toStoredError(error), final }
}

/** Anything can be thrown, also an object whose getters throw. */
function isFinal (error: unknown): boolean {
  try {
    return (error as { retry?: unknown } | null | undefined)?.retry === false
  } catch {
    return false
  }
}
