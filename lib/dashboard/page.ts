import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Asset } from './assets.ts'

/** Serves the page and what it loads from memory. */
export function routePage (app: FastifyInstance, assets: Asset[]): void {
  for (const asset of assets) {
    app.get(`/${asset.path}`, async (request, reply) => {
      const target = asset.path === '' ? withSlash(request.originalUrl) : undefined
      return target === undefined ? await sendAsset(asset, request, reply) : reply.redirect(target)
    })
  }
}

/**
 * Where the page is for whoever has left out its last slash, without which its relative URLs would lead astray. It is a path
 * from the root, for @fastify/http-proxy puts what it has taken off a path before any other. Two slashes would be a host.
 */
function withSlash (url: string): string | undefined {
  const [path, ...query] = url.split('?')
  if (path!.endsWith('/')) return undefined
  return [path!.replace(/^[/\\]+/, '/') + '/', ...query].join('?')
}

async function sendAsset ({ type, read }: Asset, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { body, etag } = await read()
  reply.headers({ etag, 'cache-control': 'no-cache' }) // kept, and asked for again: a new release shows at once
  const known = request.headers['if-none-match']?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
  return known === true ? reply.code(304).send() : reply.type(type).send(body)
}
