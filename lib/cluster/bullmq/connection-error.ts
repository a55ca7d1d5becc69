/** Node's codes for a connection that breaks or does not come about, and PostgreSQL's for a server that stops or starts. */
const codes = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT',
  '08000', '08001', '08003', '08004', '08006', '57P01', '57P02', '57P03', '53300'
])

/** What pg and ioredis say without a code. */
const messages = /^Connection (is closed|terminated)|^Client has encountered a connection error|timeout exceeded when trying to connect|^Connection is closed|^LOADING /

/** Whether an error means that the server is not there, rather than that it does not like what it was asked. */
export function isConnectionError (error: unknown): boolean {
  const { code, message, errors } = error as { code?: string, message?: string, errors?: unknown[] }
  return (code !== undefined && codes.has(code)) || messages.test(message ?? '') || (errors?.some(isConnectionError) ?? false)
}
