/** Answers that are kept at the same time. */
const MAX_SIZE = 100

/** Shares one answer of the fleet's server among all pages for `interval` ms. */
export class Recent {
  readonly #interval: number
  readonly #answers = new Map<string, { answer: Promise<unknown>, until: number }>()

  constructor (interval: number) {
    this.#interval = interval
  }

  async get<Answer> (key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#answers.get(key)
    if (known !== undefined && performance.now() < known.until) return await known.answer as Answer
    const entry = { answer: ask(), until: Infinity }
    this.#answers.delete(key)
    this.#answers.set(key, entry)
    if (this.#answers.size > MAX_SIZE) this.#answers.delete(this.#answers.keys().next().value!)
    try {
      return await entry.answer
    } finally {
      // The time counts from the answer on, so that a slow server is not asked more often than it answers.
      entry.until = performance.now() + this.#interval
    }
  }

  /** Drops all answers, since something has changed. */
  clear (): void {
    this.#answers.clear()
  }
}
