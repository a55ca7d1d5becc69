import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import type { Task } from '../../types/index.ts'

/** As `tracePromise` makes it. See https://nodejs.org/api/diagnostics_channel.html#class-tracingchannel */
interface TaskMessage { task: Task, result?: unknown, error?: unknown }

interface Trace {
  /** The one message of a task. Tracing tools use it as the key of what they made at `start`. */
  readonly message: TaskMessage
  /** Runs a callback with the stores that are bound to `start`. */
  inStores: (callback: () => void) => void
  /** Reports the task. Set if the task has settled before `end` was published. */
  report?: () => void
  /** Whether `end` has been published. */
  started: boolean
}

const channel = tracingChannel<unknown, TaskMessage>('fastify-tasks.task')
const { start, end, asyncStart, asyncEnd, error } = channel
const traces = new WeakMap<Task, Trace>()

/** Calls `run(task, work, app)`, the synchronous part of a task, between `start` and `end`. */
export function traceStart<T extends Task, Work, App> (task: T, run: (task: T, work: Work, app: App) => void, work: Work, app: App): void {
  if (!channel.hasSubscribers) return run(task, work, app)
  const trace = traceOf(task, false)
  traces.set(task, trace)
  start.runStores(trace.message, () => {
    trace.inStores = AsyncLocalStorage.snapshot()
    run(task, work, app)
    end.publish(trace.message)
    trace.started = true
    if (trace.report !== undefined) traceReport(trace, trace.report)
  })
}

/** Calls `report(task)`, which reports a settled task, between `asyncStart` and `asyncEnd`, with the stores that are bound to `start`. */
export function traceSettled<T extends Task> (task: T, report: (task: T) => void): void {
  if (!channel.hasSubscribers) return report(task)
  const trace = traces.get(task) ?? traceOf(task, true)
  trace.inStores(() => {
    traceOutcome(trace)
    if (trace.started) traceReport(trace, () => report(task))
    else trace.report = () => report(task)
  })
}

function traceOf (task: Task, started: boolean): Trace {
  return { message: { task }, inStores: callback => callback(), started }
}

function traceOutcome ({ message }: Trace): void {
  const { task } = message
  if (task.status === 'completed') message.result = task.result
  if (task.status !== 'failed') return
  message.error = task.error
  error.publish(message)
}

function traceReport ({ message }: Trace, report: () => void): void {
  asyncStart.publish(message)
  report()
  asyncEnd.publish(message)
  traces.delete(message.task) // A kept task must not keep the stores.
}
