/** How many answers may be pending at the same time. */
const AT_ONCE = 100

/**
 * The answers of `authorize` about many subjects at the same time, if it answers with promises. A list waits `patience` ms for the
 * answers. The next list of the same stream continues the round. Until a round is complete, the answers of the previous
 * round count.
 */
export class Round {
  readonly #patience: number
  /** The answers of the last complete round. */
  #previous = new Map<object, boolean>()
  readonly #answers = new Map<object, boolean>()
  /** Subjects that were asked about and have no answer yet. */
  readonly #waiting = new Map<object, Promise<void>>()
  #timeOver: Promise<void> | undefined = undefined
  #isOver = false
  #failure: { error: unknown } | undefined = undefined

  constructor (patience: number) {
    this.#patience = patience
  }

  /** True if answers are missing or came late. Then the next list continues this round. */
  get isLate () { return this.#waiting.size > 0 || this.#answers.size > 0 || this.#previous.size > 0 }

  /** True if `authorize` need not be called for a subject now: it was called already, or the time is over. */
  skips (subject: object): boolean {
    return this.#isOver || this.#answers.has(subject) || this.#waiting.has(subject)
  }

  /** Takes the answer about a subject. Waits while too many answers are pending. */
  async add (subject: object, answer: PromiseLike<boolean>): Promise<void> {
    this.#timeOver ??= this.#startTimer()
    const answered = Promise.resolve(answer).then(answer => {
      this.#answers.set(subject, answer === true)
    }, error => {
      this.#failure ??= { error }
    }).then(() => { this.#waiting.delete(subject) })
    this.#waiting.set(subject, answered)
    if (this.#waiting.size >= AT_ONCE) await Promise.race([...this.#waiting.values(), this.#timeOver])
  }

  /** Waits for the pending answers. If `authorize` has rejected, rejects with the same error. */
  async wait (): Promise<void> {
    if (this.#waiting.size > 0) {
      this.#timeOver ??= this.#startTimer()
      await Promise.race([Promise.all(this.#waiting.values()), this.#timeOver])
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  answer (subject: object): boolean | undefined {
    return this.#answers.get(subject) ?? this.#previous.get(subject)
  }

  /** Ends the wait of a list. If each subject has an answer, the round is complete, and the next list asks about all of them again. */
  close (subjects: readonly object[]): void {
    const wasLate = this.#isOver || this.#previous.size > 0
    this.#isOver = false
    this.#timeOver = undefined
    if (this.#waiting.size > 0 || !subjects.every(subject => this.#answers.has(subject))) return
    this.#previous = wasLate ? new Map(this.#answers) : new Map()
    this.#answers.clear()
  }

  #startTimer (): Promise<void> {
    if (this.#patience === Infinity) return new Promise(() => {})
    return new Promise(resolve => {
      setTimeout(() => {
        this.#isOver = true
        resolve()
      }, this.#patience).unref()
    })
  }
}
