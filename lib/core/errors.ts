import { createError } from '@fastify/error'

/** There is no task of that name: it was never added, or it has settled and was purged. 404 */
export const FST_ERR_TASK_NOT_FOUND = createError<'FST_ERR_TASK_NOT_FOUND', 404, [name: string]>(
  'FST_ERR_TASK_NOT_FOUND',
  'There is no task "%s"',
  404
)

/** An unsettled task has the name. 409 */
export const FST_ERR_TASK_DUPLICATE_NAME = createError<'FST_ERR_TASK_DUPLICATE_NAME', 409, [name: string]>(
  'FST_ERR_TASK_DUPLICATE_NAME',
  'There is a task "%s" already',
  409
)

/** `maxTasks` tasks are unsettled. 503. Or the task's `limit` has no place left for its key: then the `statusCode` is 429. */
export const FST_ERR_TASK_LIMIT = createError<'FST_ERR_TASK_LIMIT', 503, [task: string, max: number, which: string]>(
  'FST_ERR_TASK_LIMIT',
  'Cannot add %s: %d tasks %s have not ended, and more are not allowed',
  503
)

/** The app is closing or closed. 503 */
export const FST_ERR_TASK_CLOSED = createError<'FST_ERR_TASK_CLOSED', 503, [task: string]>(
  'FST_ERR_TASK_CLOSED',
  'Cannot add %s: the app is closing',
  503
)

/** The task ran for longer than its `timeout` and fails with this. 504 */
export const FST_ERR_TASK_TIMEOUT = createError<'FST_ERR_TASK_TIMEOUT', 504, [task: string, timeout: number]>(
  'FST_ERR_TASK_TIMEOUT',
  'The work of %s timed out after %d ms',
  504
)

/** The work of a cancelled task has not ended in time. The task stays `cancelling`. A text about other tasks is put at the end of the message. 504 */
export const FST_ERR_TASK_CANCEL_TIMEOUT = createError<'FST_ERR_TASK_CANCEL_TIMEOUT', 504, [task: string, timeout: number, others?: string]>(
  'FST_ERR_TASK_CANCEL_TIMEOUT',
  'The work of %s has not stopped %d ms after its cancellation',
  504
)

/** The work is neither a function, nor a generator, nor a promise. A TypeError, 500 */
export const FST_ERR_TASK_INVALID_WORK = createError<'FST_ERR_TASK_INVALID_WORK', 500, [task: string, received: string]>(
  'FST_ERR_TASK_INVALID_WORK',
  'Cannot add %s: its work must be a function, a generator or a promise, received %s',
  500,
  TypeError
)

/** Work that is a `function *` yielded a promise, which nobody would await. A TypeError, 500 */
export const FST_ERR_TASK_YIELDED_PROMISE = createError<'FST_ERR_TASK_YIELDED_PROMISE', 500, [task: string]>(
  'FST_ERR_TASK_YIELDED_PROMISE',
  'The work of %s, a function *, yielded a promise: write it as an async function * that awaits the promise',
  500,
  TypeError
)

/** An option of the plugin or of a call does not exist, or has a value that it does not take. A TypeError, 500 */
export const FST_ERR_TASK_INVALID_OPTION = createError<'FST_ERR_TASK_INVALID_OPTION', 500, [option: string, owner: string, problem: string]>(
  'FST_ERR_TASK_INVALID_OPTION',
  'Option "%s" of %s %s',
  500,
  TypeError
)
