import { setTimeout } from 'node:timers/promises'

const RETRY = 500

/** Stores the progress of a run, one write at a time. Each write stores the latest value, so earlier values may be skipped. */
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

  /** Another process runs the task now. */
  stop (): void {
    this.#stopped = true
  }

  async #store () {
    await undefined // changes in the same turn become one write
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
