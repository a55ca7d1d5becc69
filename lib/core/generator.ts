// Drives work that is a generator: what it yields is its task's progress, and a cancellation lands at its next `yield`.

export type GeneratorWork<T, Progress> = Generator<Progress, T, void> | AsyncGenerator<Progress, T, void>

/** What a generator needs of its task. */
export interface Driven {
  readonly task: { progress: unknown }
  /** Why the work is to stop; undefined while it is not. */
  readonly abortReason: () => unknown
}

/** Milliseconds that computing work, all of it together, runs before the event loop gets a turn. */
const SLICE = 5

let ranFor = 0
let turning = false
/** Computing work that waits for a turn of the event loop, the longest first. */
const waiting: { steps: Steps<unknown>, resolve: () => void }[] = []

function nextTurn (steps: Steps<unknown>): Promise<void> {
  return new Promise(resolve => {
    waiting.push({ steps, resolve })
    if (!turning) setImmediate(turn)
    turning = true
  })
}

/** Takes who goes on next in a turn: the first that is yet to be told to stop, which has little left to do, or else the first. */
function takeNext () {
  if (ranFor >= SLICE) return undefined
  const stopping = waiting.findIndex(({ steps }) => steps.mustStop)
  return waiting.splice(Math.max(stopping, 0), 1)[0]
}

async function turn () {
  ranFor = 0
  for (let next = takeNext(); next !== undefined; next = takeNext()) {
    next.resolve()
    await undefined // it goes on before we do
  }
  turning = waiting.length > 0
  if (turning) setImmediate(turn)
}

/** By what a generator has, so that one that was compiled for an older runtime counts. */
export function isGenerator (value: unknown): value is GeneratorWork<unknown, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const { next, throw: throwInto, [Symbol.iterator]: iterator, [Symbol.asyncIterator]: asyncIterator } = value as Partial<Generator & AsyncGenerator>
  return typeof next === 'function' && typeof throwInto === 'function' && typeof (asyncIterator ?? iterator) === 'function'
}

/** Takes the steps of a generator. When its task is told to stop, the reason is thrown in, once, where it has yielded. */
class Steps<Step> {
  readonly #work: { next: () => Step, throw: (reason: unknown) => Step }
  readonly #abortReason: Driven['abortReason']
  #told = false

  constructor (work: { next: () => Step, throw: (reason: unknown) => Step }, { abortReason }: Driven) {
    this.#work = work
    this.#abortReason = abortReason
  }

  /** Whether it is yet to be told to stop. */
  get mustStop () { return !this.#told && this.#abortReason() !== undefined }

  next (): Step {
    if (!this.mustStop) return this.#work.next()
    this.#told = true
    return this.#work.throw(this.#abortReason())
  }
}

function takeProgress ({ task }: Driven, progress: unknown): void {
  if (progress !== undefined) task.progress = progress
}

async function goOn<T, Progress> (work: AsyncGenerator<Progress, T, void>, driven: Driven): Promise<T> {
  const steps = new Steps(work, driven)
  for (;;) {
    const { done, value } = await steps.next()
    if (done === true) return value
    takeProgress(driven, value)
  }
}

async function compute<T, Progress> (work: Generator<Progress, T, void>, driven: Driven): Promise<T> {
  const steps = new Steps(work, driven)
  let since = performance.now()
  for (;;) {
    const { done, value } = steps.next()
    const time = performance.now()
    ranFor += time - since
    since = time
    if (done === true) return value
    takeProgress(driven, value)
    if (ranFor < SLICE) continue
    await nextTurn(steps)
    since = performance.now()
  }
}

/** Runs a generator to its end; resolves with what it returns. Its first step is taken at once. */
export function drive<T, Progress> (work: GeneratorWork<T, Progress>, driven: Driven): Promise<T> {
  return Symbol.asyncIterator in work ? goOn(work, driven) : compute(work, driven)
}
