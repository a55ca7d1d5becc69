import type { Task, TaskState, TaskStatus } from '../../types/index.ts'

/** Every status, in the order of a task's life. */
export const taskStatuses = ['deferred', 'running', 'cancelling', 'completed', 'failed', 'cancelled'] as const satisfies readonly TaskStatus[]

// Under `anyOf` Fastify's serializer validates the task itself. So what a task has as another type than its state is
// untyped: its times are numbers, and its error can be anything.
const time = { description: 'ISO 8601, as 2026-01-31T12:00:00.000Z' } as const
const error = {
  description: 'what a failed or cancelled task ended with',
  type: 'object',
  properties: {
    name: { type: 'string' },
    message: { type: 'string' },
    code: { description: 'a string or a number' }
  }
} as const

const schema = {
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
    error: { anyOf: [error, { description: 'of a task itself, whatever it is' }] }
  },
  required: ['id', 'status', 'createdAt']
} as const

/**
 * The JSON schema of a task's state, for `response` schemas and OpenAPI. A task is a valid reply under it: alone, in an
 * array and in `anyOf`.
 *
 * @example
 * app.get('/reports/:id', { schema: { response: { 200: taskStateSchema } } }, async request => app.getTask(`report:${request.params.id}`))
 */
export const taskStateSchema: Omit<typeof schema, 'type'> = schema // for type providers anything, so that they take a task as the reply

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

export function isoString (time: number): string
export function isoString (time: number | undefined): string | undefined
export function isoString (time: number | undefined): string | undefined {
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
    createdAt: isoString(createdAt),
    startedAt: isoString(startedAt),
    settledAt: isoString(settledAt),
    error: status === 'failed' || status === 'cancelled' ? errorState(error) : undefined
  }
}
