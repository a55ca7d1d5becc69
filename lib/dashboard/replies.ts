import { createHash } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { documented } from './openapi.ts'
import { compileSerializer, compileValidator } from './validator.ts'

/** Replies with JSON as text, so that no `preSerialization` hook and no serializer of the app changes its form. */
export function sendJson (reply: FastifyReply, json: string): FastifyReply {
  return reply.serializer(String).type('application/json; charset=utf-8').send(json)
}

/** Replies with JSON, or with a 304 if the client has it already. */
export function sendFresh (request: FastifyRequest, reply: FastifyReply, json: string): FastifyReply {
  const etag = etagOf(json)
  reply.header('etag', etag)
  return knows(request, etag) ? reply.code(304).send() : sendJson(reply, json)
}

export function etagOf (text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url')}"`
}

/** Returns true if the client has the reply with this etag already. */
export function knows (request: FastifyRequest, etag: string): boolean {
  return request.headers['if-none-match']?.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag) === true
}

/**
 * Makes the routes of `app` independent of the app's validator, serializer and error handler. If `openapi` is true,
 * @fastify/swagger documents the routes of the API, else none.
 */
export function isolateRoutes (app: FastifyInstance, openapi: boolean): void {
  app.addHook('onRoute', route => {
    route.validatorCompiler = compileValidator
    route.serializerCompiler = compileSerializer
    const told = openapi ? documented(String(route.method), route.routePath) : undefined
    route.schema = { ...told ?? { hide: true }, ...route.schema }
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const isOurs = error.validation !== undefined || error.validationContext !== undefined || error.code?.startsWith('FST_ERR_TASK_') === true
    // What the app's hooks and `authorize` throw goes to the app's error handler: it may know where to sign in.
    if (!isOurs) throw error
    const { statusCode = 500, code, message } = error
    request.log[statusCode < 500 ? 'info' : 'error']({ err: error }, message)
    sendJson(reply.code(statusCode), JSON.stringify({ statusCode, code, error: STATUS_CODES[statusCode], message }))
  })
}
