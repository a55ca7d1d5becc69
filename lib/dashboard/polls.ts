import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { Recent } from './recent.ts'
import { POLL_REST } from './rest.ts'

/** How many milliseconds an answer is reused at most. */
const LONGEST = 30_000

/** How many answers are kept. */
const MAX_SIZE = 200

/** Headers that may differ in each request of a client and do not say who it is. */
const volatile = new Set(['if-none-match', 'x-request-id', 'x-correlation-id', 'traceparent', 'tracestate', 'x-amzn-trace-id', 'x-cloud-trace-context', 'cf-ray'])

/** An answer, and how many milliseconds of processor time it took. */
export interface Costly<Answer> {
  answer: Answer
  took: number
}

/**
 * Keeps the last answers and reuses them, so that polling takes some 6 % of a core, however many tasks there are. Each client has its
 * own answers, since `authorize` may allow each client something else.
 */
export class Polls {
  readonly #longest: number
  readonly #recent = new Recent(() => this.#restedAt, MAX_SIZE)
  /** When the pause for all answers made so far ends. */
  #restedAt = 0
  #forget: NodeJS.Timeout | undefined = undefined

  constructor (longest = LONGEST) {
    this.#longest = longest
  }

  async get<Answer> (request: FastifyRequest, make: () => Promise<Costly<Answer>>): Promise<Answer> {
    return await this.#recent.get(keyOf(request), () => this.#make(make))
  }

  /** Forgets all answers, since something has changed. */
  clear (): void {
    this.#recent.clear()
    clearTimeout(this.#forget)
  }

  async #make<Answer> (make: () => Promise<Costly<Answer>>): Promise<Answer> {
    clearTimeout(this.#forget)
    this.#forget = setTimeout(() => this.clear(), this.#longest).unref()
    const { answer, took } = await make()
    const now = performance.now()
    this.#restedAt = Math.min(Math.max(this.#restedAt, now) + POLL_REST * took, now + this.#longest)
    return answer
  }
}

/** Identifies a request of a client by everything that `authorize` may look at. */
function keyOf (request: FastifyRequest): string {
  const { method, url, headers, socket } = request.raw
  const known = Object.entries(headers).filter(([name]) => !volatile.has(name))
  const certificate = (socket as Partial<TLSSocket>).getPeerCertificate?.()?.fingerprint256
  return createHash('sha256').update(JSON.stringify([method, url, request.ip, known, certificate])).digest('base64url')
}
