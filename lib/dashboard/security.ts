import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FST_ERR_TASK_CROSS_SITE } from './errors.ts'
import type { Settings } from './options.ts'

const headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
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
  // The host alone, for a proxy that ends TLS makes https of http. A default port is left out of both.
  const { protocol, host } = new URL(origin)
  const own = `${protocol}//${request.host}`
  return host !== '' && URL.canParse(own) && new URL(own).host === host
}

/** Lets in whom the hooks let in, refuses what other sites send, and sets the headers, for every route of `app`. */
export function secure (app: FastifyInstance, { hooks, origins }: Settings): void {
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
