import { setTimeout } from 'node:timers/promises'

const RETRY = 500

/** Stores the progress of a run: one write at a time, each of the value that is the last by then, so that none but the last must arrive. */
export class ProgressWriter {
  readonly #write: () => Promise<void>
  #changed = false
  #writing: Promise<void> | undefined
  #stopped = false

  constructor (write: () => Promise<void>) {
    this.#write = write
  }

  /** There is a new value. */
  changed (): void {
    this.#changed = true
    this.#writing ??= this.#store()
  }

  /** Resolves once the last value is stored. */
  end (): Promise<void> | undefined {
    return this.#writing
  }

  /** The task is another's now. */
  stop (): void {
    this.#stopped = true
  }

  async #store () {
    await undefined // what is told in one go is one write
    while (this.#changed && !this.#stopped) {
      this.#changed = false
      try {
        await this.#write()
      } catch {
        this.#changed = true
        await setTimeout(RETRY, undefined, { ref: false })
      }
    }
    this.#writing = undefined
  }
}
