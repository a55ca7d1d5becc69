import type { FastifyInstance } from 'fastify'
import type { Asset } from './assets.ts'
import { knows } from './replies.ts'

/** Serves the page and its files from memory. */
export function routePage (app: FastifyInstance, assets: Asset[]): void {
  for (const { path, type, body, etag } of assets) {
    app.get(`/${path}`, async (request, reply) => {
      const target = path === '' ? withSlash(request.originalUrl) : undefined
      if (target !== undefined) return reply.redirect(target)
      reply.headers({ etag, 'cache-control': 'no-cache' }) // a browser keeps it, but asks each time whether it has changed
      return knows(request, etag) ? reply.code(304).send() : reply.serializer(String).type(type).send(body)
    })
  }
}

/**
 * The URL of the page with a slash at its end. Undefined if it has one. Without the slash, the relative URLs of the page would be wrong.
 * The result is a path from the root, because @fastify/http-proxy puts the prefix that it has removed before any path. It begins with
 * one slash: a name after two slashes would be a host.
 */
function withSlash (url: string): string | undefined {
  const [path, ...query] = url.split('?')
  if (path!.endsWith('/')) return undefined
  return [path!.replace(/^[/\\]+/, '/') + '/', ...query].join('?')
}
