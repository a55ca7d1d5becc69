import type { TaskState, TaskStatus } from '../types/index.ts'
import type { Task } from './task.ts'

/** Every status, in the order of a task's life. */
export const taskStatuses = ['deferred', 'running', 'cancelling', 'completed', 'failed', 'cancelled'] as const satisfies readonly TaskStatus[]

// Untyped where a task has another type than its state: for `anyOf`, Fastify's serializer validates the task itself.
const time = { format: 'date-time', description: 'ISO 8601' } as const

/**
 * The JSON schema of a task's state, for `response` schemas and OpenAPI. A task is a valid reply under it: alone, in an
 * array and in `anyOf`.
 *
 * @example
 * app.get('/reports/:id', { schema: { response: { 200: taskStateSchema } } }, async request => app.getTask(`report:${request.params.id}`))
 */
export const taskStateSchema = {
  title: 'TaskState',
  type: 'object',
  properties: {
    id: { type: 'integer' },
    name: { type: 'string' },
    kind: { type: 'string' },
    status: { type: 'string', enum: taskStatuses },
    progress: { description: 'any JSON value' },
    createdAt: time,
    startedAt: time,
    settledAt: time,
    error: {
      description: 'what a failed or cancelled task ended with',
      properties: {
        name: { type: 'string' },
        message: { type: 'string' },
        code: { description: 'a string or a number' }
      }
    }
  },
  required: ['id', 'status', 'createdAt']
} as const

/** What a state tells of an error. Anything can be thrown, even what cannot be read. */
export function errorState (error: unknown): NonNullable<TaskState['error']> {
  try {
    if (Object(error) !== error) return { name: 'Error', message: String(error), code: undefined }
    const { name = 'Error', message = '', code } = error as { name?: unknown, message?: unknown, code?: unknown }
    return {
      name: String(name),
      message: String(message),
      code: typeof code === 'string' || typeof code === 'number' ? code : undefined
    }
  } catch {
    return { name: 'Error', message: 'unreadable', code: undefined }
  }
}

function isoString (time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}

export function taskState<Progress> (task: Task<unknown, unknown, Progress>): TaskState<Progress> {
  const { id, name, kind, status, progress, createdAt, startedAt, settledAt, error } = task
  return {
    id,
    name,
    kind,
    status,
    progress,
    createdAt: new Date(createdAt).toISOString(),
    startedAt: isoString(startedAt),
    settledAt: isoString(settledAt),
    error: status === 'failed' || status === 'cancelled' ? errorState(error) : undefined
  }
}
