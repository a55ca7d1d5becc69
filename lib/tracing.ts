import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { Task, TaskWork } from '../types/index.ts'

interface TaskMessage { task: Task }

const channel = tracingChannel<unknown, TaskMessage>('fastify-tasks.task')

/** One message a task: tracing tools keep what they made at `start` by its message. */
const messages = new WeakMap<Task, TaskMessage>()

function run (task: Task, work: TaskWork<unknown>, app: FastifyInstance): unknown {
  return typeof work === 'function' ? work(app, task) : work
}

/** Runs the synchronous part of a task between `start` and `end`, in the stores that subscribers bind to `start`. */
export function traceStart (task: Task, work: TaskWork<unknown>, app: FastifyInstance): unknown {
  if (!channel.start.hasSubscribers && !channel.end.hasSubscribers) return run(task, work, app)
  const message = { task }
  messages.set(task, message)
  return channel.start.runStores(message, () => {
    try {
      return run(task, work, app)
    } finally {
      channel.end.publish(message)
    }
  })
}

export function traceSettled (task: Task): void {
  if (!channel.error.hasSubscribers && !channel.asyncEnd.hasSubscribers) return
  const message = messages.get(task) ?? { task }
  if (task.status === 'failed') channel.error.publish(message)
  channel.asyncEnd.publish(message)
}
