/** A reply that says that something is wrong, in Fastify's shape. */
export class ReplyError extends Error {
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

const patience = 15_000

/** Every URL is relative to the page: it works under any prefix, behind any proxy. */
export async function request<Reply> (method: 'GET' | 'PUT' | 'DELETE', path: string, signal?: AbortSignal): Promise<Reply> {
  const limit = AbortSignal.timeout(patience)
  const response = await fetch(path, {
    method,
    headers: { accept: 'application/json' },
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit])
  })
  const body = await response.json().catch(() => undefined)
  if (response.ok && body !== undefined) return body
  throw new ReplyError(response.status, body?.message ?? `The server replied ${response.status} ${response.statusText}.`)
}

/** What to tell the operator of an error. */
export function describe (error: unknown): string {
  return error instanceof ReplyError ? error.message : 'The server does not answer.'
}
