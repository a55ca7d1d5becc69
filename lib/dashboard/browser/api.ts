/**
 * Why a request has failed:
 * - `signed-out`: a 401, a redirect to another page, or a page instead of JSON
 * - `forbidden`: a 403
 * - `refused`: the request itself is wrong, so that sending it again does not help
 * - `away`: no reply, or one that may be different a moment later
 */
export type Trouble = 'signed-out' | 'forbidden' | 'refused' | 'away'

/** The server has answered, but not with what was asked for. */
export class ReplyError extends Error {
  readonly status: number
  readonly code: string | undefined
  readonly trouble: Trouble
  /** After so many milliseconds the request may be sent again, if the server says so. */
  readonly retryAfter: number | undefined

  constructor (message: string, { status, code, trouble, retryAfter }: { status: number, code?: string | undefined, trouble: Trouble, retryAfter?: number | undefined }) {
    super(message)
    this.status = status
    this.code = code
    this.trouble = trouble
    this.retryAfter = retryAfter
  }
}

/** How many milliseconds a reply may take. */
const timeout = 15_000

/** How many replies are kept. */
const mostReplies = 20
/** Replies that the server need not send again while they have not changed. */
const replies = new Map<string, { etag: string, body: unknown }>()

export interface RequestOptions {
  signal?: AbortSignal | undefined
  timeout?: number
}

/** Sends a request and returns the JSON of its reply. URLs are relative to the page, so that it works under any prefix and behind any proxy. */
export async function request<Reply> (method: 'GET' | 'PUT' | 'DELETE', path: string, options: RequestOptions = {}): Promise<Reply> {
  const limit = AbortSignal.timeout(options.timeout ?? timeout)
  const known = method === 'GET' ? replies.get(path) : undefined
  const response = await fetch(path, {
    method,
    headers: { accept: 'application/json', ...known === undefined ? {} : { 'if-none-match': known.etag } },
    redirect: 'manual', // a redirect leads to a login page, not to a reply
    signal: options.signal === undefined ? limit : AbortSignal.any([options.signal, limit])
  })
  if (response.type === 'opaqueredirect') throw signedOut(response, 'The server sends you to another page.')
  if (response.status === 304 && known !== undefined) return known.body as Reply
  const text = await response.text()
  const body = parse(text)
  if (response.ok && body !== undefined) {
    if (method === 'GET') remember(path, response.headers.get('etag'), body)
    return body as Reply
  }
  throw toError(response, body)
}

function remember (path: string, etag: string | null, body: unknown): void {
  replies.delete(path)
  if (etag === null) return
  replies.set(path, { etag, body })
  if (replies.size > mostReplies) replies.delete(replies.keys().next().value!)
}

function toError (response: Response, body: unknown): ReplyError {
  const { status, statusText } = response
  if (response.ok) return signedOut(response, 'The server replied with something that is not JSON, such as a login page.')
  const { message, code } = (typeof body === 'object' && body !== null ? body : {}) as { message?: unknown, code?: unknown }
  const told = typeof message === 'string' && message !== '' ? message : `The server replied ${status}${statusText && ` ${statusText}`}.`
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return new ReplyError(told, {
    status,
    code: typeof code === 'string' ? code : undefined,
    trouble: troubleOf(status),
    retryAfter: Number.isFinite(seconds) ? seconds * 1000 : undefined
  })
}

function signedOut ({ status }: Response, message: string): ReplyError {
  return new ReplyError(message, { status, trouble: 'signed-out' })
}

/** A 404 may come from a proxy whose server is being replaced, so it is not final. */
function troubleOf (status: number): Trouble {
  if (status === 401) return 'signed-out'
  if (status === 403) return 'forbidden'
  return status >= 400 && status < 500 && ![404, 408, 425, 429].includes(status) ? 'refused' : 'away'
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function troubleIn (error: unknown): Trouble {
  return error instanceof ReplyError ? error.trouble : 'away'
}

/** What the page says of an error. */
export function describe (error: unknown): string {
  if (error instanceof ReplyError) return error.message
  return (error as Error).name === 'TimeoutError' ? 'The server has not answered in time.' : 'The server does not answer.'
}
