import type { FastifyInstance } from 'fastify'
import type { Asset } from './assets.ts'
import { knows } from './replies.ts'

/** Serves the page and its files from memory. */
export function routePage (app: FastifyInstance, assets: Asset[]): void {
  for (const { path, type, body, etag } of assets) {
    app.get(`/${path}`, async (request, reply) => {
      const target = path === '' ? withSlash(request.originalUrl) : undefined
      if (target !== undefined) return reply.redirect(target)
      reply.headers({ etag, 'cache-control': 'no-cache' }) // kept, and asked for again: a new release shows at once
      return knows(request, etag) ? reply.code(304).send() : reply.serializer(String).type(type).send(body)
    })
  }
}

/**
 * Where the page is, for a URL without its last slash, under which the page's relative URLs would be wrong. It is a path
 * from the root, because @fastify/http-proxy puts what it has taken off a path before any other. Two slashes would be a host.
 */
function withSlash (url: string): string | undefined {
  const [path, ...query] = url.split('?')
  if (path!.endsWith('/')) return undefined
  return [path!.replace(/^[/\\]+/, '/') + '/', ...query].join('?')
}
