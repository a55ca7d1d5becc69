import { createError } from '@fastify/error'

/** The dashboard was registered without `onRequest`, so that anyone could see and cancel tasks. */
export const FST_ERR_TASK_DASHBOARD_OPEN = createError<'FST_ERR_TASK_DASHBOARD_OPEN', 500, []>(
  'FST_ERR_TASK_DASHBOARD_OPEN',
  'The dashboard needs onRequest, a hook that lets people in; false opens it to everyone',
  500,
  TypeError
)

/** `authorize` does not allow it. 403 */
export const FST_ERR_TASK_FORBIDDEN = createError<'FST_ERR_TASK_FORBIDDEN', 403, [action: string]>(
  'FST_ERR_TASK_FORBIDDEN',
  'You may not %s this',
  403
)

/** A page of another site has sent a request that changes something. 403 */
export const FST_ERR_TASK_CROSS_SITE = createError<'FST_ERR_TASK_CROSS_SITE', 403, []>(
  'FST_ERR_TASK_CROSS_SITE',
  'The request comes from another site',
  403
)

/** A dashboard with `onRequest: false` got a request for a host that is not its own. 403 */
export const FST_ERR_TASK_HOST = createError<'FST_ERR_TASK_HOST', 403, [host: string]>(
  'FST_ERR_TASK_HOST',
  'The dashboard is open to everyone and does not answer for the host "%s": name its origin in the option origins',
  403
)

/** The cursor was made by another process, or by this one before it was restarted. 410 */
export const FST_ERR_TASK_STALE_CURSOR = createError<'FST_ERR_TASK_STALE_CURSOR', 410, []>(
  'FST_ERR_TASK_STALE_CURSOR',
  'The cursor is of another process: begin with the first page',
  410
)

/** `maxStreams` pages watch already. 503 */
export const FST_ERR_TASK_STREAM_LIMIT = createError<'FST_ERR_TASK_STREAM_LIMIT', 503, [maxStreams: number]>(
  'FST_ERR_TASK_STREAM_LIMIT',
  'All %d streams are taken: poll the list instead',
  503
)
