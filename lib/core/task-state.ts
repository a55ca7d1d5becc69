import { inspect } from 'node:util'
import type { Task, TaskState, TaskStatus } from '../../types/index.ts'

/** Every status, in the order of a task's life. */
export const taskStatuses = ['deferred', 'running', 'cancelling', 'completed', 'failed', 'cancelled'] as const satisfies readonly TaskStatus[]

// Under `anyOf` Fastify's serializer validates the task itself, not its state. So the schema takes what a task has: its times
// are numbers, and its error can be any value.
const time = { description: 'ISO 8601, as 2026-01-31T12:00:00.000Z', type: ['string', 'integer'], format: 'date-time' } as const
const error = {
  description: 'what a failed or cancelled task ended with',
  anyOf: [
    {
      // It has no `type`: with `type: 'object'`, an error that is no object would be refused.
      properties: {
        name: { type: 'string' },
        message: { type: 'string' },
        code: { type: ['string', 'number'] }
      },
      required: ['name', 'message']
    },
    { description: 'any other object: a task, unlike its state, may have any error', type: 'object' }
  ]
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
    error
  },
  required: ['id', 'status', 'createdAt']
} as const

/** The schema without its types: from those, a type provider would infer a reply type that a task itself does not have. */
interface TaskStateSchema {
  readonly title: 'TaskState'
  readonly properties: { readonly [Property in keyof TaskState]: Record<never, never> }
}

/**
 * The JSON schema of a task's state, for `response` schemas and OpenAPI. A task is a valid reply under it: alone, in an
 * array and in `anyOf`.
 *
 * @example
 * app.get('/reports/:id', { schema: { response: { 200: taskStateSchema } } }, async request => app.getTask(`report:${request.params.id}`))
 */
export const taskStateSchema: TaskStateSchema = schema

/** What a state contains of an error. Anything can be thrown, also an object whose getters throw. */
export function errorState (error: unknown): NonNullable<TaskState['error']> {
  try {
    if (Object(error) !== error) return { name: 'Error', message: messageOf(error), code: undefined }
    const { name, code } = error as { name?: unknown, code?: unknown }
    return {
      name: typeof error === 'function' ? 'Error' : String(name ?? 'Error'),
      message: messageOf(error),
      code: typeof code === 'string' || typeof code === 'number' ? code : undefined
    }
  } catch {
    return { name: 'Error', message: 'unreadable', code: undefined }
  }
}

/** The most characters of a message that we make for an error without one. */
const MAX_MESSAGE = 1000

/**
 * The message of an error. If it is missing or empty, operators could not tell what happened. Then the message is made from
 * the error's `errors` (an AggregateError has them), its `cause`, or how Node prints it.
 */
function messageOf (error: unknown, seen = new Set<unknown>()): string {
  if (Object(error) !== error) return String(error) || inspect(error)
  seen.add(error)
  const { message } = error as { message?: unknown }
  if (message !== undefined && message !== null && message !== '') return Object(message) === message ? printed(message) : String(message)
  const { errors, cause } = error as { errors?: unknown, cause?: unknown } // read only now, since their getters may throw
  const parts = Array.isArray(errors) && errors.length > 0 ? errors.slice(0, 10) : [cause]
  const messages = parts.filter(part => part !== undefined && !seen.has(part)).map(part => messageOf(part, seen))
  return messages.length > 0 ? cut(messages.join('; ')) : printed(error)
}

/** How Node prints a value, in one line and without stacks. */
function printed (value: unknown): string {
  const lines = inspect(value, { breakLength: Infinity, maxStringLength: MAX_MESSAGE })
  return cut(lines.replace(/\n +at .*?( \{)?$/gm, '$1').replace(/\n\s*/g, ' '))
}

function cut (text: string): string {
  return text.length <= MAX_MESSAGE ? text : text.slice(0, MAX_MESSAGE).replace(/[\uD800-\uDBFF]$/, '')
}

/**
 * The progress, or `[unreadable]` if JSON cannot hold it: a reply with it would fail. It looks for such values, which costs
 * less than making the JSON.
 */
function readable (progress: unknown): unknown {
  try {
    return hasJson(progress, []) ? progress : '[unreadable]'
  } catch {
    return '[unreadable]' // It has a getter that throws.
  }
}

function hasJson (value: unknown, ancestors: unknown[]): boolean {
  if (value === null || (typeof value !== 'object' && typeof value !== 'bigint')) return true
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    JSON.stringify(value) // throws if JSON cannot hold it
    return true
  }
  if (typeof value === 'bigint' || value instanceof BigInt || ancestors.includes(value)) return false
  ancestors.push(value)
  if (Array.isArray(value)) {
    for (const item of value) if (!hasJson(item, ancestors)) return false
  } else {
    for (const key in value) if (!hasJson((value as Record<string, unknown>)[key], ancestors)) return false
  }
  ancestors.pop()
  return true
}

export function isoString (time: number): string
export function isoString (time: number | undefined): string | undefined
export function isoString (time: number | undefined): string | undefined {
  return time === undefined ? undefined : new Date(time).toISOString()
}

/** What `task.toJSON()` returns. */
export function taskState<Progress> (task: Task<unknown, unknown, Progress>): TaskState<Progress> {
  const { id, name, kind, status, progress, createdAt, startedAt, settledAt, error } = task
  return {
    id,
    name,
    kind,
    status,
    progress: readable(progress) as Progress,
    createdAt: isoString(createdAt),
    startedAt: isoString(startedAt),
    settledAt: isoString(settledAt),
    error: status === 'failed' || status === 'cancelled' ? errorState(error) : undefined
  }
}

/** A class with the name that `console.log` shows before a task. */
const { Task: Printed } = { Task: class {} }

/** What `console.log` shows of a task: its state. */
export function printedState (task: Task): object {
  return Object.assign(new Printed(), Object.fromEntries(Object.entries(taskState(task)).filter(([, value]) => value !== undefined)))
}
