// Random sequences of everything one can do to an app's tasks, held against a plain model of the registry.
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { registryOf } from '../../lib/core/task-registry.ts'
import tasks, { type Task, type TaskOptions, type TaskStatus } from '../../index.ts'

const RUNS = 1000
const MAX_TASKS = 6
const MAX_SETTLED = 3
const TIMEOUT = 123_456

const NAMES = ['a', 'b', '__proto__'] as const
/**
 * How work ends: before addTask returns, a moment later (the computing), when it is aborted, or (the deaf, the promise)
 * only when its gate opens. The generators never look at their signal.
 */
const WORKS = ['returns', 'throws', 'cooperative', 'swallowing', 'dirty', 'deaf', 'promise', 'generator', 'computing'] as const
const KINDS = ['mail', 'report'] as const

interface Addition {
  work: typeof WORKS[number]
  kind: typeof KINDS[number] | undefined
  name: typeof NAMES[number] | undefined
  onDuplicate: 'reject' | 'replace' | 'keep' | undefined
  register: boolean | undefined
  drain: boolean | undefined
  timeout: boolean
  signal: number | undefined
  after: number | undefined
}

const settledStatuses: TaskStatus[] = ['completed', 'failed', 'cancelled']

/** The arrows of the state diagram, and those that follow one another within a step. */
const transitions: Record<TaskStatus, TaskStatus[]> = {
  deferred: ['running', 'cancelling', ...settledStatuses],
  running: ['cancelling', ...settledStatuses],
  cancelling: settledStatuses,
  completed: [],
  failed: [],
  cancelled: []
}

interface ModelTask extends Addition {
  status: TaskStatus
  listed: boolean
  outcome?: unknown
  abort?: { code: string, status: 'failed' | 'cancelled' }
}

/** The registry as DESIGN.md has it, with arrays and no regard for cost. */
class Model {
  tasks: ModelTask[] = []
  /** Listed, named, settled tasks, in the order they settled. */
  settled: ModelTask[] = []
  /** Tasks whose work ends in a moment: it computes, or has heard its abort. In the order they did. */
  unwinding: ModelTask[] = []
  ready = false
  closed = false
  aborted = [false, false]
  sent = [false, false]

  isSettled (task: ModelTask) { return settledStatuses.includes(task.status) }
  get unsettled () { return this.tasks.filter(task => !this.isSettled(task)) }
  get listed () { return this.tasks.filter(task => task.listed) }
  find (name: string | undefined) { return this.listed.find(task => name !== undefined && task.name === name) }

  refusal (addition: Addition): string | undefined {
    if (this.closed) return 'FST_ERR_TASK_CLOSED'
    if (this.kept(addition) !== undefined) return undefined
    const holder = addition.register === false ? undefined : this.find(addition.name)
    if (holder !== undefined && !this.isSettled(holder) && addition.onDuplicate !== 'replace') return 'FST_ERR_TASK_DUPLICATE_NAME'
    if (this.unsettled.length >= MAX_TASKS) return 'FST_ERR_TASK_LIMIT'
    return undefined
  }

  kept (addition: Addition): ModelTask | undefined {
    if (addition.onDuplicate !== 'keep' || addition.register === false) return undefined
    const holder = this.find(addition.name)
    return holder !== undefined && !this.isSettled(holder) ? holder : undefined
  }

  add (addition: Addition) {
    const task: ModelTask = { ...addition, status: 'deferred', listed: addition.register !== false }
    if (task.after !== undefined && this.sent[task.after]) task.after = undefined // there is nothing to wait for but the app
    if (task.listed) {
      const holder = this.find(task.name)
      if (holder !== undefined) {
        this.unlist(holder)
        this.abort(holder, 'ABORT_ERR')
      }
    }
    this.tasks.push(task)
    if (task.work === 'promise') task.status = 'running'
    if (task.signal !== undefined && this.aborted[task.signal]) this.abort(task, 'SIGNAL')
    this.startIfDue(task)
  }

  startIfDue (task: ModelTask) {
    if (task.status !== 'deferred') return
    if (task.after !== undefined ? !this.sent[task.after] : !this.ready) return
    task.status = 'running'
    if (task.work === 'returns') this.settle(task, 'completed', 'returned')
    if (task.work === 'throws') this.settle(task, 'failed', 'BOOM')
    if (task.work === 'computing') this.unwinding.push(task)
  }

  abort (task: ModelTask, code: string, status: 'failed' | 'cancelled' = 'cancelled') {
    if (this.isSettled(task) || task.abort !== undefined) return
    task.abort = { code, status }
    if (task.status === 'deferred' || task.work === 'promise') this.settle(task, status, code)
    else {
      task.status = 'cancelling'
      this.unwinding.push(task)
    }
  }

  unwind () {
    const patient = (task: ModelTask) => task.work === 'generator' ? 1 : 0 // its abort waits for its next turn
    for (const task of this.unwinding.splice(0).sort((a, b) => patient(a) - patient(b))) {
      if (task.work === 'computing') this.settle(task, 'completed', 'returned')
      if (task.work === 'cooperative' || task.work === 'generator') this.settle(task, task.abort!.status, task.abort!.code)
      if (task.work === 'swallowing') this.settle(task, 'completed', 'swallowed')
      if (task.work === 'dirty') this.settle(task, 'failed', 'DIRTY')
    }
  }

  settle (task: ModelTask, status: TaskStatus, outcome: unknown) {
    if (this.isSettled(task)) return
    task.status = status
    task.outcome = outcome
    if (!task.listed) return
    if (task.name === undefined) task.listed = false
    else this.settled.push(task)
    while (this.settled.length > MAX_SETTLED) this.unlist(this.settled[0]!)
  }

  unlist (task: ModelTask) {
    task.listed = false
    this.settled = this.settled.filter(other => other !== task)
  }

  purge (which: (task: ModelTask) => boolean = () => true) {
    const purged = this.settled.filter(which)
    for (const task of purged) this.unlist(task)
    return purged.length
  }

  close () {
    this.closed = true
    const order = [...this.unsettled.filter(task => task.listed), ...this.unsettled.filter(task => !task.listed)]
    for (const task of order) if (task.status === 'deferred' || task.drain !== true) this.abort(task, 'ABORT_ERR')
    this.unwind()
    for (const task of order) this.abort(task, 'ABORT_ERR')
  }
}

/** Timers of TIMEOUT milliseconds, which go off when we say. */
class Timeouts {
  #callbacks = new Map<object, () => void>()
  #setTimeout = globalThis.setTimeout
  #clearTimeout = globalThis.clearTimeout

  install () {
    const setTimeout = (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      if (ms !== TIMEOUT) return this.#setTimeout(callback, ms, ...args)
      const timer = { unref () { return this } }
      this.#callbacks.set(timer, callback)
      return timer
    }
    const clearTimeout = (timer: object) => {
      if (!this.#callbacks.delete(timer)) this.#clearTimeout(timer as NodeJS.Timeout)
    }
    Object.assign(globalThis, { setTimeout, clearTimeout })
  }

  uninstall () {
    Object.assign(globalThis, { setTimeout: this.#setTimeout, clearTimeout: this.#clearTimeout })
  }

  get size () { return this.#callbacks.size }

  elapse () {
    for (const callback of [...this.#callbacks.values()]) callback()
  }

  forget () {
    this.#callbacks.clear()
  }
}

const timeouts = new Timeouts()

const coded = (code: string) => Object.assign(new Error(code), { code })

/** A response that is sent when we say. */
const reply = () => Object.assign(new PassThrough(), { setHeader () {} })

/** The app, with one entry a task in the order of the model's. */
class Real {
  app: FastifyInstance
  tasks: Task[] = []
  gates: { open: (result: string) => void, fail: (error: Error) => void }[] = []
  seen: TaskStatus[] = []
  signals = [new AbortController(), new AbortController()]
  replies = [reply(), reply()]

  constructor (app: FastifyInstance) {
    this.app = app as Real['app']
  }

  add (addition: Addition): Task {
    const { work, kind, name, onDuplicate, register, drain, timeout, signal, after } = addition
    let open!: (result: string) => void
    let fail!: (error: Error) => void
    const gate = new Promise<string>((resolve, reject) => { open = resolve; fail = reject })
    if (work !== 'promise') gate.catch(() => {})
    const options: TaskOptions = { kind, name, onDuplicate, register, drain }
    if (timeout) options.timeout = TIMEOUT
    if (signal !== undefined) options.signal = this.signals[signal]!.signal
    if (after !== undefined) options.after = { raw: this.replies[after] as never, log: this.app.log }

    let opened: { result: string } | { error: Error } | undefined
    gate.then(result => { opened = { result } }, error => { opened = { error } })
    const end = (how: NonNullable<typeof opened>) => {
      if ('error' in how) throw how.error
      return how.result
    }
    async function * untilOpen () {
      for (;;) {
        if (opened !== undefined) return end(opened)
        await new Promise(resolve => setImmediate(resolve))
        yield 1
      }
    }
    function * compute () {
      yield 1
      return 'returned'
    }

    const callable = (_app: FastifyInstance, task: Task): unknown => {
      if (work === 'returns') return 'returned'
      if (work === 'throws') throw coded('BOOM')
      if (work === 'deaf') return gate
      if (work === 'generator') return untilOpen()
      if (work === 'computing') return compute()
      return new Promise((resolve, reject) => {
        gate.then(resolve, reject)
        task.signal.addEventListener('abort', () => {
          if (work === 'cooperative') reject(task.signal.reason)
          if (work === 'swallowing') resolve('swallowed')
          if (work === 'dirty') reject(coded('DIRTY'))
        })
      })
    }
    const task = this.app.addTask<unknown>(work === 'promise' ? gate : callable, options)
    if (!this.tasks.includes(task)) {
      this.tasks.push(task)
      this.gates.push({ open, fail })
    }
    return task
  }
}

const turn = async () => {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Lets what was set off come to rest, and holds all of what one can see against the model. */
async function compare (model: Model, real: Real) {
  await turn()
  model.unwind()
  equal(real.tasks.length, model.tasks.length, 'number of tasks')
  for (const [i, expected] of model.tasks.entries()) {
    const task = real.tasks[i]!
    const label = `task ${i + 1}`
    const before = real.seen[i] ?? 'deferred'
    equal(task.status, expected.status, `${label}: status`)
    if (task.status !== before && !transitions[before].includes(task.status)) throw new Error(`${label}: ${before} became ${task.status}`)
    real.seen[i] = task.status

    const settled = model.isSettled(expected)
    equal(task.kind, expected.kind ?? (expected.work === 'promise' ? undefined : 'callable'), `${label}: kind`)
    equal(task.settled, settled, `${label}: settled`)
    equal(task.settledAt !== undefined, settled, `${label}: settledAt`)
    equal(task.result, task.status === 'completed' ? expected.outcome : undefined, `${label}: result`)
    equal((task.error as { code?: string } | undefined)?.code, task.status === 'failed' || task.status === 'cancelled' ? expected.outcome : undefined, `${label}: error`)
    equal(task.signal.aborted, expected.abort !== undefined, `${label}: signal`)
    if (!((task.startedAt ?? task.createdAt) >= task.createdAt && (task.settledAt ?? Infinity) >= (task.startedAt ?? 0))) throw new Error(`${label}: times`)
    if (settled) {
      const [outcome] = await Promise.allSettled([task.finished])
      equal(outcome!.status, task.status === 'completed' ? 'fulfilled' : 'rejected', `${label}: finished`)
    }
  }
  equal(real.app.tasks.size, model.listed.length, 'size')
  equal([...real.app.tasks].map(task => real.tasks.indexOf(task)).join(), model.listed.map(task => model.tasks.indexOf(task)).join(), 'tasks')
  const { counts } = registryOf(real.app.tasks)
  for (const status of Object.keys(transitions) as TaskStatus[]) {
    equal(counts[status], model.listed.filter(task => task.status === status).length, `count of ${status}`)
  }
  const walked = registryOf(real.app.tasks).walk().map(task => real.tasks.indexOf(task)).sort((a, b) => a - b)
  equal(walked.join(), model.listed.map(task => model.tasks.indexOf(task)).join(), 'walk')
  for (const name of NAMES) {
    const task = real.app.getTask(name, { optional: true })
    equal(task === undefined ? -1 : real.tasks.indexOf(task), model.tasks.indexOf(model.find(name)!), `getTask ${name}`)
  }
  const idle = await Promise.race([real.app.tasks.idle().then(() => true), turn().then(() => false)])
  equal(idle, model.unsettled.length === 0, 'idle')
  const timed = model.unsettled.filter(task => task.timeout && task.status !== 'deferred').length
  equal(timeouts.size, timed, 'timers')
}

function equal (actual: unknown, expected: unknown, what: string) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${String(expected)}, found ${String(actual)}`)
}

type Command = fc.AsyncCommand<Model, Real>

function command (text: string, run: (model: Model, real: Real) => unknown, check: (model: Model) => boolean = () => true): Command {
  return {
    check,
    run: async (model, real) => {
      await run(model, real)
      await compare(model, real)
    },
    toString: () => text
  }
}

const add = (addition: Addition) => command(`add(${JSON.stringify(addition)})`, (model, real) => {
  const code = model.refusal(addition)
  const kept = model.kept(addition)
  try {
    const task = real.add(addition)
    equal(undefined, code, 'refusal')
    if (kept === undefined) model.add(addition)
    else equal(task, real.tasks[model.tasks.indexOf(kept)], 'kept')
  } catch (error) {
    equal((error as { code?: string }).code, code, 'refusal')
  }
})

const open = (i: number) => command(`open(${i})`, (model, real) => {
  real.gates[i]!.open('opened')
  const task = model.tasks[i]!
  if (task.status === 'running' || task.status === 'cancelling') model.settle(task, 'completed', 'opened')
}, model => model.tasks[i] !== undefined && model.tasks[i].status !== 'deferred')

const fail = (i: number) => command(`fail(${i})`, (model, real) => {
  real.gates[i]!.fail(coded('FAILED'))
  const task = model.tasks[i]!
  if (task.status === 'running' || task.status === 'cancelling') model.settle(task, 'failed', 'FAILED')
}, model => model.tasks[i] !== undefined && model.tasks[i].status !== 'deferred')

const cancel = (i: number, byName: boolean) => command(`cancel(${i}, ${byName ? 'by name' : 'by task'})`, async (model, real) => {
  const task = model.tasks[i]!
  const target = byName ? model.find(task.name) : task
  if (target !== undefined) {
    model.abort(target, 'ABORT_ERR')
    model.unwind()
  }
  const deaf = target?.status === 'cancelling' ? 'FST_ERR_TASK_CANCEL_TIMEOUT' : undefined
  const timeout = deaf === undefined ? 60_000 : 0
  const cancelled = byName ? real.app.cancelTask(task.name!, { timeout }) : real.tasks[i]!.cancel({ timeout })
  equal(await cancelled.then(() => undefined, error => error.code), target === undefined ? 'FST_ERR_TASK_NOT_FOUND' : deaf, 'cancel')
}, model => model.tasks[i] !== undefined && (!byName || model.tasks[i].name !== undefined))

const abort = (i: number) => command(`abort(${i})`, (model, real) => {
  real.signals[i]!.abort(coded('SIGNAL'))
  model.aborted[i] = true
  for (const task of model.tasks) if (task.signal === i) model.abort(task, 'SIGNAL')
}, model => !model.aborted[i])

const send = (i: number) => command(`send(${i})`, (model, real) => {
  real.replies[i]!.end()
  real.replies[i]!.resume()
  model.sent[i] = true
  for (const task of model.tasks) if (task.after === i) model.startIfDue(task)
}, model => !model.sent[i])

const elapse = () => command('elapse', model => {
  timeouts.elapse()
  for (const task of model.unsettled) if (task.timeout && task.status !== 'deferred') model.abort(task, 'FST_ERR_TASK_TIMEOUT', 'failed')
})

const purge = () => command('purge', (model, real) => { equal(real.app.purgeTasks(), model.purge(), 'purged') })

const purgeKind = (kind: Addition['kind']) => command(`purge(${kind})`, (model, real) => {
  const purged = real.app.purgeTasks(task => task.kind === kind)
  equal(purged, model.purge(task => (task.kind ?? (task.work === 'promise' ? undefined : 'callable')) === kind), 'purged by kind')
})

const ready = () => command('ready', async (model, real) => {
  await real.app.ready()
  model.ready = true
  for (const task of model.tasks) if (task.after === undefined) model.startIfDue(task)
}, model => !model.ready && !model.closed)

const close = () => command('close', async (model, real) => {
  model.close()
  await real.app.close()
}, model => !model.closed)

const index = fc.nat({ max: 9 })
const either = fc.nat({ max: 1 })
const maybe = <T> (arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 }) // one in two is undefined
const addition = fc.record({
  work: fc.constantFrom(...WORKS),
  kind: fc.constantFrom(...KINDS, undefined),
  name: fc.constantFrom(...NAMES, undefined),
  onDuplicate: fc.constantFrom(undefined, 'reject', 'replace', 'keep'),
  register: maybe(fc.boolean()),
  drain: maybe(fc.boolean()),
  timeout: fc.boolean(),
  signal: maybe(either),
  after: maybe(either)
}) as fc.Arbitrary<Addition>

const commands = fc.commands([
  addition.map(add),
  addition.map(add),
  addition.map(add),
  index.map(open),
  index.map(fail),
  fc.tuple(index, fc.boolean()).map(([i, byName]) => cancel(i, byName)),
  either.map(abort),
  either.map(send),
  fc.constant(elapse()),
  fc.constant(purge()),
  fc.constantFrom(...KINDS, undefined).map(purgeKind),
  fc.constant(ready()),
  fc.constant(ready()),
  fc.constant(close())
], { maxCommands: 25, size: 'max' })

t.test(`${RUNS} random sequences have the results of the model`, async t => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  t.comment(`seed ${seed} (SEED=${seed} repeats it)`)
  timeouts.install()
  t.teardown(() => timeouts.uninstall())
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown) => { unhandled.push(error) }
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))

  await fc.assert(fc.asyncProperty(commands, async commands => {
    timeouts.forget()
    const app = Fastify()
    await app.register(tasks, { maxTasks: MAX_TASKS, maxSettled: MAX_SETTLED, cancelTimeout: 0, drainTimeout: 0, onError () {} })
    try {
      await fc.asyncModelRun(() => ({ model: new Model(), real: new Real(app) }), commands)
    } finally {
      await app.close()
    }
  }), { numRuns: RUNS, seed })

  t.strictSame(unhandled, [], 'no unhandled rejection')
})
