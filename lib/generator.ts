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

/** Computing work that waits for a turn of the event loop. */
interface Waiting {
  /** Whether it is yet to be told to stop. */
  readonly isAborted: () => boolean
  readonly goOn: () => void
}

let ranFor = 0
let turning = false
/** The longest first. */
const waiting: Waiting[] = []

function nextTurn (isAborted: Waiting['isAborted']): Promise<void> {
  return new Promise(resolve => {
    waiting.push({ isAborted, goOn: resolve })
    if (!turning) setImmediate(turn)
    turning = true
  })
}

/** Who goes on next in a turn: the first that is yet to be told to stop, which has little left to do, or else the first. */
function next (): Waiting | undefined {
  if (ranFor >= SLICE) return undefined
  const aborted = waiting.findIndex(({ isAborted }) => isAborted())
  return waiting.splice(Math.max(aborted, 0), 1)[0]
}

async function turn () {
  ranFor = 0
  for (let work = next(); work !== undefined; work = next()) {
    work.goOn()
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

/**
 * Runs a generator to its end; resolves with what it returns. Its first step is taken at once. When its task is told to
 * stop, the reason is thrown into it, once, where it has yielded.
 */
export async function drive<T, Progress> (work: GeneratorWork<T, Progress>, task: Driven): Promise<T> {
  let told = false
  const isAborted = () => !told && task.abortReason !== undefined
  const step = () => {
    if (!isAborted()) return work.next()
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
    if (computes && ranFor >= SLICE) await nextTurn(isAborted)
  }
}
