// Runs work that is a generator. Each value that it yields is the progress of its task. A cancellation is thrown at its next
// `yield`.
import { FST_ERR_TASK_YIELDED_PROMISE } from './errors.ts'
import { LinkedList, ListItem } from './linked-list.ts'
import { taskLabel } from './task-label.ts'
import { isThenable, type GeneratorWork } from './work.ts'

/** What a generator needs from its task. */
export interface GeneratorContext {
  readonly task: { readonly id: number, readonly name: string | undefined, progress: unknown }
  /** The reason to stop. Undefined while the work may go on. */
  readonly abortReason: () => unknown
}

export interface RunningGenerator {
  /** Settles with what the generator returns or throws. */
  readonly ended: Promise<unknown>
  /** To be called when there is an abort reason. */
  readonly aborted: () => void
}

/** Milliseconds that all computing work together runs before the event loop gets a turn. */
const SLICE = 5

/** Milliseconds of the present slice that have passed. */
let passed = 0
let isTurnDue = false
/** Computing work that waits for its next slice. Aborted work goes first, since it has little left to do. */
const stopping = new LinkedList<Computing>()
const waiting = new LinkedList<Computing>()

/** Resumes the waiting work until the slice is over. The slice includes what the tasks do when they settle. */
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

/** Takes the steps of a generator. Throws the abort reason once, at the `yield` where the work is. */
class Steps<Step> extends ListItem {
  readonly work: { next: () => Step, throw: (reason: unknown) => Step }
  readonly context: GeneratorContext
  #isReasonThrown = false

  constructor (work: { next: () => Step, throw: (reason: unknown) => Step }, context: GeneratorContext) {
    super()
    this.work = work
    this.context = context
  }

  /** Whether there is an abort reason that has not been thrown yet. */
  get mustStop () { return !this.#isReasonThrown && this.context.abortReason() !== undefined }

  next (): Step {
    if (!this.mustStop) return this.work.next()
    this.#isReasonThrown = true
    return this.work.throw(this.context.abortReason())
  }

  setProgress (progress: unknown) {
    if (progress !== undefined) this.context.task.progress = progress
  }
}

/** Runs an async generator. It goes on at once after each `yield`. */
async function runAsync<T, Progress> (work: AsyncGenerator<Progress, T, void>, context: GeneratorContext): Promise<T> {
  const steps = new Steps(work, context)
  for (;;) {
    const { done, value } = await steps.next()
    if (done === true) return value
    steps.setProgress(value)
  }
}

/** Runs a `function *`, whose work computes. It waits for a turn of the event loop after each slice. */
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
    return this.work.throw(new FST_ERR_TASK_YIELDED_PROMISE(taskLabel(this.context.task)))
  }
}

/** Runs a generator to its end. Its first step is taken at once. */
export function runGenerator<T, Progress> (work: GeneratorWork<T, Progress>, context: GeneratorContext): RunningGenerator {
  if (Symbol.asyncIterator in work) return { ended: runAsync(work, context), aborted: () => {} }
  return new Computing(work, context)
}
