import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FST_ERR_TASK_CROSS_SITE, FST_ERR_TASK_HOST } from './errors.ts'
import type { Settings } from './options.ts'

const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer'
}

/** Whether a page of this very site has sent a request, or no browser at all. See https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site */
function isSameSite (request: FastifyRequest, origins: readonly string[]): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin } = request.headers
  if (origin === undefined || origins.includes(origin)) return true
  if (!URL.canParse(origin)) return false
  const { protocol, host } = new URL(origin)
  // A proxy that ends TLS makes http of https, never the other way round.
  if (protocol === 'http:' && request.protocol === 'https') return false
  // A default port is left out of both.
  const own = `${protocol}//${request.host}`
  return host !== '' && URL.canParse(own) && new URL(own).host === host
}

/**
 * Whether a host can be the server's own. A page of another site can have its own name resolved to this server's address
 * (DNS rebinding), and is then of the same origin. It cannot do that with an address, or with a name without a dot.
 */
function isOwnHost (host: string, origins: readonly string[]): boolean {
  const url = `http://${host}`
  if (!URL.canParse(url)) return false
  const name = new URL(url).hostname
  return !name.includes('.') || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name.endsWith('.localhost') ||
    name === hostname().toLowerCase() || origins.some(origin => new URL(origin).hostname === name)
}

/** Lets in whom the hooks let in, refuses what other sites send, and sets the headers, for every route of `app`. */
export function secure (app: FastifyInstance, { hooks, origins }: Settings): void {
  if (hooks.length === 0) {
    app.addHook('onRequest', async ({ raw }) => {
      // Not `request.host`: a page can send a header `x-forwarded-host`, but not `host`. HTTP/1.0 need not have one.
      const host = raw.headers.host ?? raw.headers[':authority'] as string | undefined ?? 'localhost'
      if (!isOwnHost(host, origins)) throw new FST_ERR_TASK_HOST(host)
    })
  }
  for (const hook of hooks) app.addHook('onRequest', hook)

  app.addHook('onRequest', async request => {
    if (request.method === 'GET' || request.method === 'HEAD') return
    if (!isSameSite(request, origins)) throw new FST_ERR_TASK_CROSS_SITE()
  })

  // As late as can be, so that a plugin such as @fastify/helmet has no say in them.
  app.addHook('onSend', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers(headers)
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
}
