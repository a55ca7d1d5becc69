// What the recipes for metrics and tracing share: the diagnostics channel of fastify-tasks.
import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { Task } from 'fastify-tasks'

export interface TaskMessage {
  task: Task
  result?: unknown
  error?: unknown
}

export const taskChannel = tracingChannel<unknown, TaskMessage>('fastify-tasks.task')

/** How many open apps share a key, and how to stop what was started for them. */
const shared = new WeakMap<object, { apps: number, stop: () => void }>()

/**
 * Starts something once for all apps that share `key`, and stops it when the last of them has closed. The channel has the
 * events of the whole process: if every app had a listener of its own, each task would be counted once for each app.
 */
export function sharedByApps (app: FastifyInstance, key: object, start: () => () => void): void {
  const use = shared.get(key) ?? { apps: 0, stop: start() }
  shared.set(key, use)
  use.apps++
  app.addHook('onClose', async () => {
    if (--use.apps > 0) return
    shared.delete(key)
    use.stop()
  })
}
