/** Questions that wait for an answer at the same time. */
const AT_ONCE = 100

/**
 * Questions to an `authorize` that answers with promises, asked side by side. Who waits for the answers waits for `patience`
 * ms; the round can then be taken up again, and goes on where it was. Until each subject has an answer, those of the round
 * before it count.
 */
export class Round {
  readonly #patience: number
  /** The answers of the last complete round. */
  #previous = new Map<object, boolean>()
  readonly #answers = new Map<object, boolean>()
  /** What was asked and not answered. */
  readonly #waiting = new Map<object, Promise<void>>()
  #timeOver: Promise<void> | undefined = undefined
  #isOver = false
  #failure: { error: unknown } | undefined = undefined

  constructor (patience: number) {
    this.#patience = patience
  }

  /** Whether an answer has arrived after its time, so that the round has to be kept. */
  get isLate () { return this.#waiting.size > 0 || this.#answers.size > 0 || this.#previous.size > 0 }

  /** Whether nothing has to be asked about a subject now: it was, or there is no time left. */
  skips (subject: object): boolean {
    return this.#isOver || this.#answers.has(subject) || this.#waiting.has(subject)
  }

  /** Takes what will be the answer about a subject. Waits while many others are open. */
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

  /** Waits for the open answers. Rejects with what a question has rejected with. */
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

  /** Ends this turn. If each subject has an answer, the next turn asks about all of them again. */
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
