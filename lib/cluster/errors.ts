import { createError } from '@fastify/error'

/** The server has not answered within `timeout`, or refuses the connection or the command. 503 */
export const FST_ERR_TASK_UNREACHABLE = createError<'FST_ERR_TASK_UNREACHABLE', 503, [details: string]>(
  'FST_ERR_TASK_UNREACHABLE',
  'The task server does not answer%s',
  503
)

/** A kind is defined twice, or too late. 500 */
export const FST_ERR_TASK_KIND_DEFINED = createError<'FST_ERR_TASK_KIND_DEFINED', 500, [kind: string, problem: string]>(
  'FST_ERR_TASK_KIND_DEFINED',
  'Cannot define the kind "%s": %s',
  500
)

/** No kind of that name is defined in this process. What kinds there are comes last. 404 */
export const FST_ERR_TASK_UNKNOWN_KIND = createError<'FST_ERR_TASK_UNKNOWN_KIND', 404, [kind: string, others?: string]>(
  'FST_ERR_TASK_UNKNOWN_KIND',
  'There is no kind "%s" in this process',
  404
)

/** A task fails with this if the processes that ran it have vanished, one after the other. 500 */
export const FST_ERR_TASK_STALLED = createError<'FST_ERR_TASK_STALLED', 500, [task: string]>(
  'FST_ERR_TASK_STALLED',
  'Every process that ran %s has vanished',
  500
)

/** A task has not settled within the `deadline` of its kind, all its attempts and pauses counted. It fails with this. 504 */
export const FST_ERR_TASK_DEADLINE = createError<'FST_ERR_TASK_DEADLINE', 504, [task: string, deadline: number]>(
  'FST_ERR_TASK_DEADLINE',
  'The deadline of %s has passed, %d ms after it was due',
  504
)

/**
 * The `signal.reason` of a run whose task goes on in another process: the app is closing and hands the task over, or another process has
 * taken it over. It is no cancellation: leave what the next run needs. It is never a task's error. 503
 */
export const FST_ERR_TASK_HANDED_OVER = createError<'FST_ERR_TASK_HANDED_OVER', 503, [task: string, why: string]>(
  'FST_ERR_TASK_HANDED_OVER',
  'Stopped %s, which goes on in another process: %s',
  503
)

/**
 * The data of a task is no JSON, or not what the schema of its kind takes. 400. Or a task fails with it, since its progress or result
 * is no JSON: then the `statusCode` is 500.
 */
export const FST_ERR_TASK_INVALID_DATA = createError<'FST_ERR_TASK_INVALID_DATA', 400, [task: string, problem: string]>(
  'FST_ERR_TASK_INVALID_DATA',
  'The data of %s is invalid: %s',
  400
)

/** The package that a connection needs is not installed. 500 */
export const FST_ERR_TASK_MISSING_PACKAGE = createError<'FST_ERR_TASK_MISSING_PACKAGE', 500, [name: string, install: string]>(
  'FST_ERR_TASK_MISSING_PACKAGE',
  'The connection of fastify-tasks/cluster needs the package "%s": npm install %s',
  500
)
