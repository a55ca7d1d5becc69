/** Keeps the last answers and reuses each for some time. Callers that ask while an answer is being made share it. */
export class Recent {
  readonly #freshUntil: () => number
  readonly #maxSize: number
  readonly #answers = new Map<string, { answer: Promise<unknown>, until: number }>()

  /** `freshUntil` is called when an answer has arrived, so that a slow server is not asked more often than it answers. It returns a time of `performance.now()`. */
  constructor (freshUntil: () => number, maxSize: number) {
    this.#freshUntil = freshUntil
    this.#maxSize = maxSize
  }

  async get<Answer> (key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(key)
    if (known !== undefined && performance.now() < known.until) return await known.answer as Answer
    const entry = { answer: ask(), until: Infinity }
    this.#answers.delete(key)
    this.#answers.set(key, entry)
    if (this.#answers.size > this.#maxSize) this.#answers.delete(this.#answers.keys().next().value!)
    try {
      return await entry.answer
    } finally {
      entry.until = this.#freshUntil()
    }
  }

  /** Forgets all answers, since something has changed. */
  clear (): void {
    this.#answers.clear()
  }
}
