// Drives work that is a generator: each value that it yields is its task's progress, and a cancellation is thrown at its
// next `yield`.
import { FST_ERR_TASK_YIELDED_PROMISE } from './errors.ts'
import { LinkedList, ListItem } from './linked-list.ts'
import { taskLabel } from './task-label.ts'
import { isThenable, type GeneratorWork } from './work.ts'

/** What a generator needs of its task. */
export interface Driven {
  readonly task: { readonly id: number, readonly name: string | undefined, progress: unknown }
  /** Why the work is to stop; undefined while it may go on. */
  readonly abortReason: () => unknown
}

/** A generator that runs. */
export interface Drive {
  /** Settles with what the generator returns or throws. */
  readonly ended: Promise<unknown>
  /** Tells it that there is an abort reason now. */
  readonly aborted: () => void
}

/** Milliseconds that computing work, all of it together, runs before the event loop gets a turn. */
const SLICE = 5

/** Milliseconds of the present slice that have passed. */
let passed = 0
let isTurnDue = false
/** Computing work that waits for its next slice. Work that is to stop goes first, as it has little left to do. */
const stopping = new LinkedList<Computing>()
const waiting = new LinkedList<Computing>()

/** Resumes the work that waits, until the slice is over. What the tasks do when they settle counts, too. */
async function turn () {
  const beganAt = performance.now()
  passed = 0
  while (passed < SLICE && waiting.size + stopping.size > 0) {
    (stopping.first ?? waiting.first)!.resume()
    await undefined // The work goes on here.
    passed = performance.now() - beganAt
  }
  isTurnDue = waiting.size + stopping.size > 0
  if (isTurnDue) setImmediate(turn)
}

/** Takes the steps of a generator. Throws the abort reason at the `yield` where the work is, once. */
class Steps<Step> extends ListItem {
  readonly work: { next: () => Step, throw: (reason: unknown) => Step }
  readonly driven: Driven
  #isTold = false

  constructor (work: { next: () => Step, throw: (reason: unknown) => Step }, driven: Driven) {
    super()
    this.work = work
    this.driven = driven
  }

  /** Whether it is to stop and does not know yet. */
  get mustStop () { return !this.#isTold && this.driven.abortReason() !== undefined }

  next (): Step {
    if (!this.mustStop) return this.work.next()
    this.#isTold = true
    return this.work.throw(this.driven.abortReason())
  }

  setProgress (progress: unknown) {
    if (progress !== undefined) this.driven.task.progress = progress
  }
}

/** An async generator. It goes on at once after each `yield`. */
async function runAsync<T, Progress> (work: AsyncGenerator<Progress, T, void>, driven: Driven): Promise<T> {
  const steps = new Steps(work, driven)
  for (;;) {
    const { done, value } = await steps.next()
    if (done === true) return value
    steps.setProgress(value)
  }
}

/** A generator, whose work computes. It waits for a turn of the event loop after each slice. */
class Computing extends Steps<IteratorResult<unknown, unknown>> {
  #resume: (() => void) | undefined = undefined
  readonly ended = this.#run()

  resume () {
    ListItem.leave(this)
    this.#resume!()
  }

  readonly aborted = () => {
    if (ListItem.isIn(this, waiting)) ListItem.join(this, stopping)
  }

  async #run (): Promise<unknown> {
    let since = performance.now()
    let step = this.next()
    for (;;) {
      const { done, value } = step
      const time = performance.now()
      passed += time - since
      since = time
      if (done === true) return value
      const isPromise = isThenable(value)
      if (!isPromise) this.setProgress(value)
      if (passed >= SLICE) {
        await this.#nextSlice()
        since = performance.now()
      }
      step = isPromise ? this.#refuse(value) : this.next()
    }
  }

  #nextSlice (): Promise<void> {
    return new Promise(resolve => {
      this.#resume = resolve
      ListItem.join(this, this.mustStop ? stopping : waiting)
      if (!isTurnDue) setImmediate(turn)
      isTurnDue = true
    })
  }

  /** Throws an error at the `yield` of a promise, which nobody would await. */
  #refuse (promise: PromiseLike<unknown>): IteratorResult<unknown, unknown> {
    Promise.resolve(promise).catch(() => {})
    return this.work.throw(new FST_ERR_TASK_YIELDED_PROMISE(taskLabel(this.driven.task)))
  }
}

/** Runs a generator to its end. Its first step is taken at once. */
export function drive<T, Progress> (work: GeneratorWork<T, Progress>, driven: Driven): Drive {
  if (Symbol.asyncIterator in work) return { ended: runAsync(work, driven), aborted: () => {} }
  return new Computing(work, driven)
}
