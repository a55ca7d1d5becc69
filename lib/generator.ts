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

/**
 * Runs a generator to its end; resolves with what it returns. Its first step is taken at once. When its task is told to
 * stop, the reason is thrown into it, once, where it has yielded.
 */
export async function drive<T, Progress> (work: GeneratorWork<T, Progress>, task: Driven): Promise<T> {
  let told = false
  const step = () => {
    if (told || task.abortReason === undefined) return work.next()
    told = true
    return work.throw(task.abortReason)
  }
  const compute = () => {
    const startedAt = performance.now()
    try {
      return step() as IteratorResult<Progress, T>
    } finally {
      ranFor += performance.now() - startedAt
    }
  }

  const computes = !(Symbol.asyncIterator in work)
  for (;;) {
    const { done, value } = computes ? compute() : await step()
    if (done === true) return value
    if (value !== undefined) task.progress = value
    if (computes && ranFor >= SLICE) await nextTurn(task)
  }
}
