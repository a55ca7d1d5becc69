import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { TaskWork } from '../../types/index.ts'
import type { Task } from './task.ts'

/** As `tracePromise` makes it. See https://nodejs.org/api/diagnostics_channel.html#class-tracingchannel */
interface TaskMessage { task: Task, result?: unknown, error?: unknown }

interface Trace {
  /** One message a task: tracing tools keep what they made at `start` by its message. */
  readonly message: TaskMessage
  /** Runs a callback in the stores that are bound to `start`. */
  inStores: (callback: () => void) => void
  /** What follows the end of a task that has settled before `end`. */
  follow?: (task: Task) => void
  /** Whether `end` has been published. */
  started: boolean
}

const channel = tracingChannel<unknown, TaskMessage>('fastify-tasks.task')
const { start, end, asyncStart, asyncEnd, error } = channel
const traces = new WeakMap<Task, Trace>()

/** Runs the synchronous part of a task between `start` and `end`. */
export function traceStart (task: Task, work: TaskWork<unknown>, app: FastifyInstance): void {
  if (!channel.hasSubscribers) return task.run(work, app)
  const trace = traceOf(task, false)
  traces.set(task, trace)
  start.runStores(trace.message, () => {
    trace.inStores = AsyncLocalStorage.snapshot()
    task.run(work, app)
    end.publish(trace.message)
    trace.started = true
    if (trace.follow !== undefined) traceFollow(trace, trace.follow)
  })
}

/** Runs what follows the end of a task between `asyncStart` and `asyncEnd`, in the stores that are bound to `start`. */
export function traceSettled (task: Task, follow: (task: Task) => void): void {
  if (!channel.hasSubscribers) return follow(task)
  const trace = traces.get(task) ?? traceOf(task, true)
  trace.inStores(() => {
    traceOutcome(trace)
    if (trace.started) traceFollow(trace, follow)
    else trace.follow = follow
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

function traceFollow ({ message }: Trace, follow: (task: Task) => void): void {
  asyncStart.publish(message)
  follow(message.task)
  asyncEnd.publish(message)
  traces.delete(message.task) // and with it the stores, while the task is kept
}
