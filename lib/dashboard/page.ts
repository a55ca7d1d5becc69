import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Asset } from './assets.ts'

/** Serves the page and what it loads from memory. */
export function routePage (app: FastifyInstance, assets: Asset[]): void {
  for (const asset of assets) {
    app.get(`/${asset.path}`, async (request, reply) => {
      const slash = asset.path === '' ? toSlash(request.originalUrl) : undefined
      return slash === undefined ? await sendAsset(asset, request, reply) : reply.redirect(slash)
    })
  }
}

/**
 * Where the page is, as seen from the same place without its last slash, from which its relative URLs would lead astray.
 * Relative itself, for a proxy may have taken something off the path.
 */
function toSlash (url: string): string | undefined {
  const [path, ...search] = url.split('?')
  if (path!.endsWith('/')) return undefined
  const query = search.length === 0 ? '' : `?${search.join('?')}`
  return `./${path!.slice(path!.lastIndexOf('/') + 1)}/${query}`
}

async function sendAsset ({ type, read }: Asset, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { body, etag } = await read()
  reply.headers({ etag, 'cache-control': 'no-cache' }) // kept, and asked for again: a new release shows at once
  const known = request.headers['if-none-match']?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
  return known === true ? reply.code(304).send() : reply.type(type).send(body)
}
