import { createHash } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'

/** Making answers takes one part in so many of the time, for all clients together. */
const REST = 20

/** Milliseconds for which an answer is given again, at most, however many clients ask. */
const LONGEST = 30_000

/** Answers that are kept at once. */
const MAX_SIZE = 200

/** Headers that differ from one request of a client to the next, and tell nobody who it is. */
const volatile = new Set(['if-none-match', 'x-request-id', 'x-correlation-id', 'traceparent', 'tracestate', 'x-amzn-trace-id', 'x-cloud-trace-context', 'cf-ray'])

/** An answer, and the milliseconds that it took of the processor. */
export interface Costly<Answer> {
  answer: Answer
  took: number
}

/**
 * Gives a client the same answer again until the cost of the answer is made up for, so that polling takes 5 % of a core at
 * most. Each client has answers of its own, since `authorize` may allow each another thing.
 */
export class Polls {
  readonly #answers = new Map<string, { answer: Promise<unknown>, until: number }>()
  /** When the cost of all answers is made up for. */
  #restedAt = 0
  #forget: NodeJS.Timeout | undefined = undefined

  async get<Answer> (request: FastifyRequest, make: () => Promise<Costly<Answer>>): Promise<Answer> {
    const key = keyOf(request)
    const known = this.#answers.get(key)
    if (known !== undefined && performance.now() < known.until) return await known.answer as Answer
    const entry = { answer: this.#make(make), until: Infinity }
    this.#answers.delete(key)
    this.#answers.set(key, entry)
    if (this.#answers.size > MAX_SIZE) this.#answers.delete(this.#answers.keys().next().value!)
    try {
      return await entry.answer
    } finally {
      entry.until = this.#restedAt
    }
  }

  /** Forgets all answers: something was changed. */
  clear (): void {
    this.#answers.clear()
    clearTimeout(this.#forget)
  }

  async #make<Answer> (make: () => Promise<Costly<Answer>>): Promise<Answer> {
    clearTimeout(this.#forget)
    this.#forget = setTimeout(() => this.clear(), LONGEST).unref()
    const { answer, took } = await make()
    const now = performance.now()
    this.#restedAt = Math.min(Math.max(this.#restedAt, now) + REST * took, now + LONGEST)
    return answer
  }
}

/** What tells a question of a client from all others: everything that `authorize` may go by. */
function keyOf (request: FastifyRequest): string {
  const { method, url, headers, socket } = request.raw
  const known = Object.entries(headers).filter(([name]) => !volatile.has(name))
  const certificate = (socket as Partial<TLSSocket>).getPeerCertificate?.()?.fingerprint256
  return createHash('sha256').update(JSON.stringify([method, url, request.ip, known, certificate])).digest('base64url')
}
