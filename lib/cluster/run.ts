import type { FastifyInstance } from 'fastify'
import type { ClusterWork } from '../../types/cluster.ts'
import type { Task as PublicTask } from '../../types/index.ts'
import { Task } from '../core/task.ts'
import { registryOf } from '../core/task-registry.ts'
import type { Outcome, Run } from './engine.ts'
import { FST_ERR_TASK_INVALID_DATA } from './errors.ts'
import { copyJson } from './json.ts'
import { RunningTask } from './running-task.ts'
import { fromStoredError, toStoredError } from './stored-error.ts'

/** How the work of a kind is run in this process: as a task of the core, which logs, traces, times and reports it. */
export function runWith (app: FastifyInstance, kind: string, work: ClusterWork, timeout: number): Run {
  const log = app.log.child({ kind })
  return (stored, progressed) => {
    const { name, data } = stored
    const start = (app: FastifyInstance, task: PublicTask) => {
      const core = task as Task
      if (stored.progress !== undefined) core.progress = stored.progress
      whenProgressed(core, progressed)
      return work(app, new RunningTask(core, stored))
    }
    let core: Task | undefined
    let outcome: Promise<Outcome>
    try {
      const added = core = registryOf(app.tasks).addRun(app, start, { name, kind, data, timeout, log })
      outcome = new Promise(resolve => Task.onceSettled(added, () => resolve(outcomeOf(added))))
    } catch (error) {
      outcome = Promise.resolve(failure(error))
    }
    let told = stored.progress
    return {
      outcome,
      progress () {
        if (core === undefined) return told
        try {
          told = core.progress === undefined ? undefined : copyJson(core.progress, 'progress')
        } catch (error) {
          Task.abort(core, new FST_ERR_TASK_INVALID_DATA(`task "${name}"`, (error as Error).message), 'failed')
        }
        return told
      },
      abort: reason => { if (core !== undefined) Task.abort(core, fromStoredError(reason)) },
      abandon: () => { if (core !== undefined) registryOf(app.tasks).forgetRun(core) } // else the core's close would wait for it as well
    }
  }
}

/** A task tells of its status and of its progress in the same way. */
function whenProgressed (core: Task, progressed: () => void) {
  let { status } = core
  Task.onChange(core, () => {
    if (core.status === status) progressed()
    else status = core.status
  })
}

function outcomeOf (core: Task): Outcome {
  const { status, error, result } = core
  if (status === 'cancelled') return { status, error: toStoredError(error) }
  if (status === 'failed') return failure(error)
  try {
    const json = JSON.stringify(result)
    return { status: 'completed', result: json === undefined ? undefined : JSON.parse(json) }
  } catch (error) {
    return failure(new FST_ERR_TASK_INVALID_DATA(`task "${core.name}"`, `its result is no JSON: ${(error as Error).message}`))
  }
}

function failure (error: unknown): Outcome {
  const final = error instanceof FST_ERR_TASK_INVALID_DATA || isFinal(error)
  return { status: 'failed', error: toStoredError(error), final }
}

/** Anything can be thrown, even what cannot be read. */
function isFinal (error: unknown): boolean {
  try {
    return (error as { retry?: unknown } | null | undefined)?.retry === false
  } catch {
    return false
  }
}
