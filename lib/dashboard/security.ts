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

/** True if a page of this site has sent a request, or a client that is no browser. See https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site */
function isSameSite (request: FastifyRequest, origins: readonly string[]): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const { origin } = request.headers
  if (origin === undefined || origins.includes(origin)) return true
  if (!URL.canParse(origin)) return false
  const { protocol, host } = new URL(origin)
  // A proxy that ends TLS turns https into http, never the other way round.
  if (protocol === 'http:' && request.protocol === 'https') return false
  // Both are compared without a default port.
  const own = `${protocol}//${request.host}`
  return host !== '' && URL.canParse(own) && new URL(own).host === host
}

/**
 * True if a host can be the server's own. A page of another site can let its own name lead to this server's address (DNS rebinding).
 * Then it has the same origin. It cannot do that with an IP address, or with a name without a dot.
 */
function isOwnHost (host: string, origins: readonly string[]): boolean {
  const url = `http://${host}`
  if (!URL.canParse(url)) return false
  const name = new URL(url).hostname
  return !name.includes('.') || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name.endsWith('.localhost') ||
    name === hostname().toLowerCase() || origins.some(origin => new URL(origin).hostname === name)
}

/** For every route of `app`: runs the hooks that let people in, refuses changes from other sites, and sets the headers. */
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

  // As late as possible, so that a plugin such as @fastify/helmet cannot change them.
  app.addHook('onSend', async (request: FastifyRequest, reply: FastifyReply) => {
    reply.headers(headers)
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
}
