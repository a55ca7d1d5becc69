/** Node's codes for a connection that breaks or does not come about, and PostgreSQL's for a server that stops or starts. */
const codes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT',
  '08000', '08001', '08003', '08004', '08006', '57P01', '57P02', '57P03', '53300'
])

/** What pg and ioredis say without a code. */
const messages = /^Connection (is closed|terminated)|^Client has encountered a connection error|timeout exceeded when trying to connect|^Connection is closed|^LOADING /

/** Whether an error means that the server cannot be reached, not that it refuses a command. */
export function isConnectionError (error: unknown): boolean {
  const { code, message, errors } = error as { code?: string, message?: string, errors?: unknown[] }
  return (code !== undefined && codes.has(code)) || messages.test(message ?? '') || (errors?.some(isConnectionError) ?? false)
}

/** The first word of Redis's error when it refuses commands because of its own state. In the error of a script it may follow a `-`. */
const refusals = /(?:^|-)(OOM|READONLY|LOADING|MISCONF|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|TRYAGAIN|BUSY|NOAUTH|WRONGPASS|NOPERM) |(max number of clients)/

/**
 * Redis's word or PostgreSQL's code, if a server refuses commands because of its own state: out of memory, read-only, a full disk, too
 * many connections, no access, no such tables. Undefined for any other error.
 */
export function refusalOf (error: unknown): string | undefined {
  const { code, message } = error as { code?: unknown, message?: string }
  if (typeof code === 'string' && /^(25006|28...|53...|57...|58...|3F000|42501|42883|42P01)$/.test(code)) return code
  const [, word, clients] = refusals.exec(message ?? '') ?? []
  return word ?? clients
}

/** Removes from an error what ioredis adds: the commands that failed, with their arguments. Those hold the password, or the data of tasks. */
export function removeCommands (error: unknown): void {
  for (const property of ['command', 'previousErrors', 'lastNodeError']) delete (error as Record<string, unknown>)[property]
}
