// Drives work that is a generator: what it yields is its task's progress, and a cancellation lands at its next `yield`.

export type GeneratorWork<T, Progress> = Generator<Progress, T, void> | AsyncGenerator<Progress, T, void>

/** What a generator needs of its task. */
export interface Driven {
  progress: unknown
  /** Why the work is to stop; undefined while it is not. */
  readonly abortReason: unknown
}

/** Milliseconds that computing work, all of it together, runs before the event loop gets a turn. */
const SLICE = 5

let ranFor = 0
/** Computing work that waits for a turn of the event loop, the longest first. */
const waiting: { task: Driven, resolve: () => void }[] = []

function nextTurn (task: Driven): Promise<void> {
  return new Promise(resolve => {
    waiting.push({ task, resolve })
    if (waiting.length === 1) setImmediate(turn)
  })
}

/** Each turn lets one go on for a slice: the first that is told to stop, which has little left to do, or else the first. */
function turn () {
  ranFor = 0
  const told = waiting.findIndex(({ task }) => task.abortReason !== undefined)
  waiting.splice(Math.max(told, 0), 1)[0]!.resolve()
  if (waiting.length > 0) setImmediate(turn)
}

/** By what a generator has, so that one that was compiled for an older runtime counts. */
export function isGenerator (value: unknown): value is GeneratorWork<unknown, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const { next, throw: throwInto, [Symbol.iterator]: iterator, [Symbol.asyncIterator]: asyncIterator } = value as Partial<Generator & AsyncGenerator>
  return typeof next === 'function' && typeof throwInto === 'function' && typeof (asyncIterator ?? iterator) === 'function'
}

/** Answers what takes the next step of a generator: when its task is told to stop, the reason is thrown in, once, where it has yielded. */
function stepper<Step> (work: { next: () => Step, throw: (reason: unknown) => Step }, task: Driven): () => Step {
  let told = false
  return () => {
    if (told || task.abortReason === undefined) return work.next()
    told = true
    return work.throw(task.abortReason)
  }
}

function takeProgress (task: Driven, progress: unknown): void {
  if (progress !== undefined) task.progress = progress
}

async function goOn<T, Progress> (work: AsyncGenerator<Progress, T, void>, task: Driven): Promise<T> {
  const step = stepper(work, task)
  for (;;) {
    const { done, value } = await step()
    if (done === true) return value
    takeProgress(task, value)
  }
}

async function compute<T, Progress> (work: Generator<Progress, T, void>, task: Driven): Promise<T> {
  const step = stepper(work, task)
  let since = performance.now()
  for (;;) {
    const { done, value } = step()
    const time = performance.now()
    ranFor += time - since
    since = time
    if (done === true) return value
    takeProgress(task, value)
    if (ranFor < SLICE) continue
    await nextTurn(task)
    since = performance.now()
  }
}

/** Runs a generator to its end; resolves with what it returns. Its first step is taken at once. */
export function drive<T, Progress> (work: GeneratorWork<T, Progress>, task: Driven): Promise<T> {
  return Symbol.asyncIterator in work ? goOn(work, task) : compute(work, task)
}
