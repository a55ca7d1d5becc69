import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter, on } from 'node:events'
import { Agent, get } from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import type { Task, TaskWork } from '../../index.ts'
import { buildApp } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { processEvents } from './fixtures/process-events.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.beforeEach(holdProcess)

/** What generators share that never look at their signal: they run until a cancellation lands. */
async function * forever () {
  for (let i = 1; ; i++) {
    await immediate()
    yield i
  }
}

function * computeForever () {
  for (let i = 1; ; i++) yield i
}

const endless: [string, () => AsyncGenerator<number, void> | Generator<number, void>][] = [
  ['an async generator', forever],
  ['a generator', computeForever]
]

async function buildReadyApp (t: Test, options = {}) {
  const { app, lines } = await buildApp(t, options)
  await app.ready()
  return { app, lines }
}

/** Works by name, each of which is to be as good as the others. */
const sameWork: Record<string, TaskWork<string>> = {
  'an async generator function': async function * () { yield 1; await immediate(); yield 2; return 'result' },
  'a generator function': function * () { yield 1; yield 2; return 'result' },
  'a function that returns an async generator': () => (async function * () { yield 1; yield 2; return 'result' })(),
  'a function that returns a generator': () => (function * () { yield 1; yield 2; return 'result' })(),
  'a generator method': ({ * work (): Generator<number, string> { yield 1; yield 2; return 'result' } }).work,
  'a bound method of a class': ((instance: { work (): AsyncGenerator<number, string> }) => instance.work.bind(instance))(new class {
    readonly #last = 2
    async * work () { yield 1; yield this.#last; return 'result' }
  }()),
  'a generator of another realm': runInNewContext('(function * () { yield 1; yield 2; return "result" })'),
  'a generator that returns a promise': function * () { yield 1; yield 2; return Promise.resolve('result') } as () => Generator<number, any>,
  'a generator that was compiled for an older runtime': () => {
    const steps = [{ done: false, value: 1 }, { done: false, value: 2 }, { done: true, value: 'result' }]
    return {
      next: () => steps.shift()!,
      throw (error: unknown) { throw error },
      return (value: unknown) { return { done: true, value } },
      [Symbol.iterator] () { return this }
    } as unknown as Generator<number, string>
  }
}

for (const [what, work] of Object.entries(sameWork)) {
  t.test(`${what} runs to its end: its last yield is the progress, its return value is the result`, async t => {
    const { app } = await buildReadyApp(t)
    const task = app.addTask(work)
    t.equal(task.status, 'running')
    t.equal(await task.finished, 'result')
    t.match(task, { status: 'completed', result: 'result', progress: 2 })
  })
}

t.test('the first step is taken before addTask returns', async t => {
  const { app } = await buildReadyApp(t)
  let steps = 0
  const sync = app.addTask(function * () { steps++; yield })
  const async = app.addTask(async function * () { steps++; yield })
  t.equal(steps, 2)
  await Promise.all([sync.finished, async.finished])
})

t.test('the generator gets the instance and the task', async t => {
  const { app } = await buildReadyApp(t)
  const task = app.addTask(function * (instance, task) {
    yield
    return [instance, task]
  })
  t.strictSame(await task.finished, [app, task])
})

t.test('the progress is the last yielded value, and a yield of undefined does not change it', async t => {
  const { app } = await buildReadyApp(t)
  const seen: unknown[] = []
  const task = app.addTask(async function * (_app, task) {
    for (const value of [undefined, null, undefined, 0, '', false, NaN, undefined, { done: 1 }]) {
      yield value
      seen.push(task.progress)
    }
    task.progress = 'set'
    yield
    seen.push(task.progress)
  })
  await task.finished
  t.strictSame(seen, [undefined, null, null, 0, '', false, NaN, NaN, { done: 1 }, 'set'])
  t.equal(task.progress, 'set', 'what it returns is no progress')
})

t.test('an async generator that yields a promise sets the progress to its value', async t => {
  const { app } = await buildReadyApp(t)
  const task = app.addTask(async function * () { yield Promise.resolve('half') })
  await task.finished
  t.equal(task.progress, 'half')
})

for (const [what, work] of endless) {
  t.test(`a cancellation is thrown into ${what} at its next yield, though it does not read its signal`, async t => {
    const { app } = await buildReadyApp(t)
    const reason = new Error('not needed')
    const task = app.addTask(work, { name: 'endless' })
    await immediate()
    t.equal(task.status, 'running')

    await app.cancelTask('endless', { reason })

    t.match(task, { status: 'cancelled', error: reason })
  })

  t.test(`a timeout is thrown into ${what}, which fails with it`, async t => {
    const { app } = await buildReadyApp(t)
    const task = app.addTask(work, { timeout: 20 })
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.equal(task.status, 'failed')
  })

  t.test(`the abort of an outer signal is thrown into ${what}`, async t => {
    const { app } = await buildReadyApp(t)
    const outer = new AbortController()
    const task = app.addTask(work, { signal: outer.signal })
    outer.abort('outer')
    t.equal(await task.finished.catch(error => error), 'outer')
    t.equal(task.status, 'cancelled')
  })

  t.test(`close ends ${what} within its cancelTimeout, without a warning`, async t => {
    const { app, lines } = await buildReadyApp(t)
    const task = app.addTask(work)
    await app.close()
    t.match(task, { status: 'cancelled', error: { message: /closing/ } })
    t.notOk(lines.some(({ level }) => level >= 40))
  })

  t.test(`${what} that drains and does not end in time is cancelled`, async t => {
    const { app, lines } = await buildReadyApp(t, { drainTimeout: 30 })
    const task = app.addTask(work, { name: 'endless', drain: true })
    await app.close()
    t.equal(task.status, 'cancelled')
    t.match(lines.filter(({ level }) => level >= 40), [{ level: 40, tasks: ['endless'] }])
  })

  t.test(`${what} that is cancelled before it has started never runs`, async t => {
    const { app } = await buildApp(t)
    let runs = 0
    const task = app.addTask(() => { runs++; return work() })
    await task.cancel()
    await app.ready()
    t.equal(task.status, 'cancelled')
    t.equal(runs, 0)
  })

  t.test(`${what} that was deferred runs once the app is ready`, async t => {
    const { app } = await buildApp(t)
    const task = app.addTask(work)
    t.equal(task.status, 'deferred')
    await app.ready()
    await immediate()
    t.equal(task.status, 'running')
    await task.cancel()
    t.equal(task.status, 'cancelled')
  })

  t.test(`${what} runs after a reply`, async t => {
    const { app } = await buildApp(t)
    app.get('/', async (_request, reply) => app.addTask(work, { name: 'after', after: reply }))
    t.match((await app.inject('/')).json(), { status: 'deferred' })
    while (app.getTask('after').progress === undefined) await immediate()
    await app.cancelTask('after')
    t.equal(app.getTask('after').status, 'cancelled')
  })

  t.test(`starting and cancelling ${what} are logged at debug like any other work`, async t => {
    const { app, lines } = await buildReadyApp(t)
    await app.addTask(work, { name: 'logged' }).cancel()
    t.strictSame(lines.filter(({ task }) => task === 'logged').map(({ msg }) => msg), ['task started', 'task cancelled'])
  })
}

t.test('the reason is what the generator catches, and its finally blocks may await', async t => {
  const { app } = await buildReadyApp(t)
  const reason = new Error('not needed')
  const order: unknown[] = []
  const caught = (error: unknown) => {
    order.push(error)
    throw error
  }
  const async = app.addTask(async function * () {
    try {
      yield * forever()
    } catch (error) {
      caught(error)
    } finally {
      await sleep(5)
      order.push('cleaned')
    }
  })
  await async.cancel({ reason })
  order.push('settled')
  t.strictSame(order.splice(0), [reason, 'cleaned', 'settled'])

  const sync = app.addTask(function * () {
    try {
      yield * computeForever()
    } catch (error) {
      caught(error)
    } finally {
      yield
      order.push('cleaned')
    }
  })
  await sync.cancel({ reason })
  order.push('settled')
  t.strictSame(order, [reason, 'cleaned', 'settled'])
})

t.test('without a reason an AbortError is thrown in', async t => {
  const { app } = await buildReadyApp(t)
  let caught: unknown
  const task = app.addTask(async function * () {
    try {
      yield * forever()
    } catch (error) {
      caught = error
      throw error
    }
  })
  await task.cancel()
  t.match(caught, { name: 'AbortError' })
  t.equal(caught, task.error)
})

t.test('a generator that swallows the reason and returns has completed', async t => {
  const { app } = await buildReadyApp(t)
  for (const work of [
    function * () { try { for (;;) yield } catch { return 'swallowed' } },
    async function * () { try { for (;;) { yield; await immediate() } } catch { return 'swallowed' } }
  ]) {
    const task = app.addTask(work)
    await immediate()
    await task.cancel()
    t.match(task, { status: 'completed', result: 'swallowed' })
  }
})

t.test('the reason is thrown once: yields during the clean-up are progress', async t => {
  const { app } = await buildReadyApp(t)
  let thrown = 0
  const steps: unknown[] = []
  const works: TaskWork<void>[] = [
    function * (_app, task) {
      try { for (;;) yield } catch { thrown++ }
      for (let i = 1; i <= 3; i++) {
        yield i
        steps.push(task.progress)
      }
    },
    async function * (_app, task) {
      try { for (;;) { yield; await immediate() } } catch { thrown++ }
      for (let i = 1; i <= 3; i++) {
        yield i
        steps.push(task.progress)
      }
    }
  ]
  for (const work of works) {
    thrown = steps.length = 0
    const task = app.addTask(work)
    await immediate()
    await Promise.all([task.cancel(), task.cancel(), task.cancel()])
    t.equal(thrown, 1)
    t.strictSame(steps, [1, 2, 3])
    t.equal(task.status, 'completed')
  }
})

t.test('a generator whose clean-up throws another error fails with that error', async t => {
  const { app } = await buildReadyApp(t)
  const task = app.addTask(function * () {
    try { for (;;) yield } finally { throw new Error('disk full') } // eslint-disable-line no-unsafe-finally
  })
  await task.cancel()
  t.match(task, { status: 'failed', error: { message: 'disk full' } })
})

t.test('a generator that throws has failed, in its first step or later', async t => {
  const { app, lines } = await buildReadyApp(t)
  const works: TaskWork<unknown>[] = [
    function * () { throw new Error('broken') },
    function * () { yield; throw new Error('broken') },
    async function * () { throw new Error('broken') },
    async function * () { yield; await immediate(); throw new Error('broken') }
  ]
  const rejections = processEvents(t, 'unhandledRejection')
  for (const work of works) {
    const task = app.addTask(work)
    await app.tasks.idle()
    t.match(task, { status: 'failed', error: { message: 'broken' } })
  }
  t.equal(lines.filter(({ msg }) => msg === 'task failed').length, works.length)
  await immediate()
  t.strictSame(rejections, [])
})

t.test('a generator that is cancelled in its first step ends at its first yield', async t => {
  const { app } = await buildReadyApp(t)
  let after = false
  const task = app.addTask(function * (_app, task) {
    task.cancel({ reason: 'by itself' })
    yield 'progress'
    after = true
  })
  await app.tasks.idle()
  t.match(task, { status: 'cancelled', error: { message: 'by itself' }, progress: 'progress' })
  t.equal(after, false)
})

t.test('a generator that is cancelled before its first step never runs', async t => {
  const { app } = await buildReadyApp(t)
  for (const work of [function * (): Generator<void, void> { t.fail('ran') }, async function * (): AsyncGenerator<void, void> { t.fail('ran') }]) {
    const task = app.addTask<unknown>((_app, task) => {
      task.cancel({ reason: 'not today' })
      return work()
    })
    await app.tasks.idle()
    t.match(task, { status: 'cancelled', error: { message: 'not today' } })
  }
})

t.test('an async generator that reaches no yield is not stopped, unless it reads its signal', async t => {
  const { app } = await buildReadyApp(t)
  const gate = withResolvers()
  const deaf = app.addTask(async function * () {
    await gate.promise
    yield
  })
  await t.rejects(deaf.cancel({ timeout: 5 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
  t.equal(deaf.status, 'cancelling')
  gate.resolve()
  await deaf.finished.catch(() => {})
  t.equal(deaf.status, 'cancelled')

  const attentive = app.addTask(async function * (_app, { signal }) {
    await sleep(60_000, undefined, { signal })
    yield
  })
  await attentive.cancel()
  t.equal(attentive.status, 'cancelled')
})

for (const [what, value] of Object.entries<() => unknown>({
  'an array': () => [1, 2],
  'an iterator of an array': () => [1, 2].values(),
  'a Map': () => new Map([[1, 2]]),
  'a string': () => 'ab',
  'an iterable': () => ({ * [Symbol.iterator] () { yield 1 } }),
  'an async iterable': () => ({ async * [Symbol.asyncIterator] () { yield 1 } }),
  'a stream': () => Readable.from(['a']),
  'an iterator that nothing can be thrown into': () => ({ next: () => ({ done: true }), [Symbol.iterator] () { return this } }),
  'an iterator of nothing': () => ({ next () {}, throw () {} }),
  'a generator function': () => computeForever,
  'an object with names of a generator': () => ({ next: 1, throw: 2, return: 3, [Symbol.iterator]: 4 }),
  null: () => null
})) {
  t.test(`${what} is a result like any other`, async t => {
    const { app } = await buildReadyApp(t)
    const result = value()
    const task = app.addTask(() => result)
    t.equal(task.status, 'completed')
    t.equal(task.result, result)
    t.equal(task.progress, undefined)
    t.equal(app.addTask(async () => result).status, 'running')
    await app.tasks.idle()
  })
}

t.test('a promise of a generator is a promise: what it resolves to is the result', async t => {
  const { app } = await buildReadyApp(t)
  const generator = computeForever()
  t.equal(await app.addTask(Promise.resolve(generator)).finished, generator)
})

for (const [what, work] of Object.entries<TaskWork<unknown>>({
  'an async generator': async () => (async function * () { yield 1; return 'result' })(),
  'a generator': async () => (function * () { yield 1; return 'result' })()
})) {
  t.test(`an async function that returns ${what} runs it as a plain function does`, async t => {
    const { app } = await buildReadyApp(t)
    const task = app.addTask(work)
    t.equal(await task.finished, 'result')
    t.equal(task.progress, 1)
  })
}

t.test('a generator that an async function returns after its cancellation never begins', async t => {
  const { app } = await buildReadyApp(t)
  let begun = false
  const task = app.addTask(async () => {
    await immediate()
    return (function * () { begun = true; yield 1 })()
  })
  await task.cancel()
  t.equal(task.status, 'cancelled')
  t.equal(begun, false)
})

t.test('the result is what a generator returns, even if that is a generator', async t => {
  const { app } = await buildReadyApp(t)
  const generator = computeForever()
  t.equal(await app.addTask(function * () { return generator }).finished, generator)
})

for (const what of ['next', 'throw', 'then']) {
  t.test(`work that returns an object with a getter ${what} that throws ${what === 'then' ? 'fails as an await of it does' : 'has completed with it'}`, async t => {
    const { app } = await buildReadyApp(t)
    const result = Object.defineProperty({}, what, { get () { throw new Error('unreadable') } })
    const task = app.addTask(() => result)
    await task.finished.catch(() => {})
    if (what === 'then') t.match(task, { status: 'failed', error: { message: 'unreadable' } })
    else t.equal(task.result, result)
  })
}

t.test('events.on runs like the async generator that it resembles', async t => {
  const { app } = await buildReadyApp(t)
  const emitter = new EventEmitter()
  const task = app.addTask((_app, { signal }) => on(emitter, 'frame', { signal, close: ['end'] }) as unknown as AsyncGenerator<unknown, void>)
  emitter.emit('frame', 'first')
  await immediate()
  t.strictSame(task.progress, ['first'])
  emitter.emit('end')
  await task.finished
})

/** Stops the clock that slices are timed by, and returns work that computes for a millisecond of it at each step. It goes on after the test. */
function stopSliceClock (t: Test) {
  const { now } = performance
  let time = Math.ceil(performance.now())
  performance.now = () => time
  t.teardown(() => { performance.now = now })
  return function * () {
    for (let i = 1; ; i++) {
      time++
      yield i
    }
  }
}

t.test('each step of a generator runs in the async context of the addTask call', async t => {
  const { app } = await buildReadyApp(t)
  const context = new AsyncLocalStorage<string>()
  const seen: Record<string, Set<string | undefined>> = {}
  const see = (name: string) => (seen[name] ??= new Set()).add(context.getStore())
  const busy = (ms: number) => { for (const end = performance.now() + ms; performance.now() < end;); }
  for (const name of ['a', 'b', 'c']) {
    context.run(name, () => {
      app.addTask(function * () {
        try {
          for (;;) {
            see(name)
            busy(2)
            yield
          }
        } finally {
          see(name)
        }
      }, { name })
      app.addTask(async function * () {
        try {
          for (;;) {
            see(name)
            await immediate()
            yield
          }
        } finally {
          see(name)
        }
      })
    })
  }
  for (let i = 0; i < 10; i++) await immediate()
  context.run('canceller', () => { for (const task of app.tasks) task.cancel() })
  await app.tasks.idle()
  t.strictSame(seen, { a: new Set(['a']), b: new Set(['b']), c: new Set(['c']) })
})

t.test('a computing generator gives the event loop a turn after about 5 ms', async t => {
  const { app } = await buildReadyApp(t)
  const task = app.addTask(stopSliceClock(t))
  await immediate()
  const steps: number[] = []
  for (let i = 0; i < 20; i++) {
    const before = task.progress!
    await immediate()
    steps.push(task.progress! - before)
  }
  t.strictSame(steps, Array(20).fill(5))
  await task.cancel()
})

t.test('a short generator does not wait for a turn of the event loop', async t => {
  const { app } = await buildReadyApp(t)
  const progress: unknown[] = []
  for (let i = 0; i < 100; i++) {
    progress.push(app.addTask(function * () { for (let i = 0; i < 10; i++) yield i }).progress)
    await immediate()
  }
  t.ok(progress.includes(9), 'on a busy machine, a slice may be over before some of them have ended')
})

t.test('several computing tasks hold up no request', async t => {
  const { app } = await buildApp(t)
  app.get('/', async () => 'here')
  const url = await app.listen()
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const ask = () => new Promise<string>((resolve, reject) => {
    get(url, { agent }, response => { text(response).then(resolve, reject) }).on('error', reject)
  })
  await ask()
  const work = stopSliceClock(t)
  const computing = Array.from({ length: 4 }, () => app.addTask(work))
  await immediate()

  const stepsOfTurns = new Set<number>()
  const progress = () => computing.map(task => task.progress!)
  const stepsSince = (before: number[]) => progress().map((steps, i) => steps - before[i]!)
  const first = progress()
  let before = first
  const turn = () => {
    stepsOfTurns.add(stepsSince(before).reduce((sum, steps) => sum + steps))
    before = progress()
    counting = setImmediate(turn)
  }
  let counting = setImmediate(turn)
  for (let i = 0; i < 20; i++) t.equal(await ask(), 'here')
  clearImmediate(counting)

  t.strictSame([...stepsOfTurns], [5], 'a turn takes a slice of all of them together, not of each')
  t.ok(stepsSince(first).every(steps => steps > 0), 'they went on')
})

t.test('computing tasks take turns', async t => {
  const { app } = await buildReadyApp(t)
  const computing = Array.from({ length: 5 }, () => app.addTask(computeForever))
  for (let i = 0; i < 50; i++) await immediate()
  const steps = computing.map(task => task.progress!)
  const [least, most] = [Math.min(...steps), Math.max(...steps)]
  t.ok(least * 20 > most, `${steps} steps`)
})

t.test('a computing task that goes on after its cancellation does not keep others from their turns', async t => {
  const { app } = await buildReadyApp(t)
  const release = new AbortController()
  const stubborn = app.addTask(function * () {
    try { yield * computeForever() } catch {}
    while (!release.signal.aborted) yield
  })
  const other = app.addTask(computeForever)
  await immediate()
  stubborn.cancel()
  await immediate()
  const before = other.progress!
  for (let i = 0; i < 20; i++) await immediate()
  t.equal(stubborn.status, 'cancelling')
  t.ok(other.progress! > before, 'the other went on')
  release.abort()
  await stubborn.finished
  t.equal(stubborn.status, 'completed')
})

t.test('a thousand computing tasks cancelled at once unwind within cancelTimeout', async t => {
  const { app } = await buildReadyApp(t, { cancelTimeout: 60_000 })
  let cleaned = 0
  const tasks = Array.from({ length: 1000 }, () => app.addTask(function * () {
    try {
      for (;;) yield
    } finally {
      cleaned++
    }
  }))
  await immediate()
  await Promise.all(tasks.map(task => task.cancel()))
  t.equal(cleaned, 1000)
  t.ok(tasks.every(({ status }) => status === 'cancelled'))
})

t.test('a thousand cancelled computing tasks end within few turns of the event loop', async t => {
  const { app } = await buildReadyApp(t, { cancelTimeout: 60_000 })
  const tasks: Task[] = Array.from({ length: 1000 }, () => app.addTask(computeForever))
  await immediate()
  let turns = 0
  const turn = () => { turns++; counting = setImmediate(turn) }
  let counting = setImmediate(turn)
  await Promise.all(tasks.map(task => task.cancel()))
  clearImmediate(counting)
  t.ok(turns < 900, `${turns} turns`) // one for each task would be a thousand
})

t.test('a computing task that is cancelled while it waits ends at the yield where it is', async t => {
  const { app } = await buildReadyApp(t)
  app.addTask(computeForever)
  const waiting = app.addTask(computeForever)
  await immediate()
  const steps = waiting.progress
  await waiting.cancel()
  t.equal(waiting.status, 'cancelled')
  t.equal(waiting.progress, steps)
})

/** Processor time in ms that many short computing tasks take, each. */
async function costOfShort (t: Test, count: number) {
  const { app } = await buildReadyApp(t)
  app.log.level = 'warn'
  const before = process.cpuUsage()
  for (let i = 0; i < count; i++) app.addTask(function * () { yield 1; return 2 })
  await app.tasks.idle()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / count
}

t.test('a short computing task costs the same however many of them wait', async t => {
  await costOfShort(t, 3000) // compiles
  const leastOf = async (times: number, count: number) => {
    const costs: number[] = []
    for (let i = 0; i < times; i++) costs.push(await costOfShort(t, count))
    return Math.min(...costs)
  }
  const few = await leastOf(5, 3000)
  const many = await leastOf(2, 40_000)
  // It took 30 times as long when each step went through all that wait. `npm run bench` measures it.
  t.ok(many < 20 * few, `${many} ms each of 40,000, ${few} ms each of 3,000`)
})

t.test('a cancelled computing task does not wait behind those that are not cancelled', async t => {
  const { app } = await buildReadyApp(t, { cancelTimeout: 60_000 })
  const ends: string[] = []
  const work = (name: string) => function * () {
    try { for (;;) yield } finally { ends.push(name) }
  }
  const others = Array.from({ length: 1000 }, (_, i) => app.addTask(work(`other ${i}`)))
  const cancelled = app.addTask(work('cancelled'))
  const before = others.map(task => task.progress)
  await cancelled.cancel()
  t.strictSame(ends, ['cancelled'])
  t.strictSame(others.map(task => task.progress), before)
  await Promise.all(others.map(task => task.cancel()))
})

t.test('a computing task that cancels itself ends at its next yield', async t => {
  const { app } = await buildReadyApp(t)
  const steps: number[] = []
  const task = app.addTask(function * (_app, task: Task) {
    task.cancel()
    steps.push(1)
    yield
    steps.push(2)
  })
  await task.finished.catch(() => {})
  t.equal(task.status, 'cancelled')
  t.strictSame(steps, [1])
})

const withoutThrow: Record<string, TaskWork<unknown>> = {
  'a generator that delegates to an array': function * () { for (;;) yield * [1, 2, 3] },
  'an async generator that delegates to an array': async function * () {
    for (;;) {
      await immediate()
      yield * [1, 2, 3]
    }
  },
  'an async generator that delegates to an async iterable': async function * () {
    yield * { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: await immediate(1) }) }) }
  },
  'a generator that delegates to an array and throws an error caused by what it caught': function * () {
    try { for (;;) yield * [1, 2, 3] } catch (cause) { throw new Error('the import ended', { cause }) }
  },
  'an async generator that delegates to the watch of a task': async function * (app) {
    const other = app.addTask(async function * () {
      for (let i = 0; i < 1e6; i++) {
        await immediate()
        yield i
      }
    })
    try { yield * other.watch() } finally { await other.cancel() }
  }
}
for (const [what, work] of Object.entries(withoutThrow)) {
  t.test(`${what} is cancelled like any other`, async t => {
    const { app, lines } = await buildReadyApp(t)
    const task = app.addTask(work)
    await immediate()
    await task.cancel({ reason: 'enough' })
    t.match(task, { status: 'cancelled', error: { message: 'enough' } })
    t.strictSame(lines.filter(({ level }) => level >= 40), [])
  })

  t.test(`${what} that times out has failed with its timeout`, async t => {
    const { app } = await buildReadyApp(t)
    const task = app.addTask(work, { timeout: 5 })
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.equal(task.status, 'failed')
  })
}

t.test('a watch into which something is thrown ends, and rejects with that', async t => {
  const { app } = await buildReadyApp(t)
  const watch = app.addTask(forever).watch()
  await watch.next()
  const reason = new Error('enough')
  await t.rejects(watch.throw!(reason), reason)
  t.strictSame(await watch.next(), { done: true, value: undefined })
})

t.test('a generator that yields a promise is refused at that yield, with what to do', async t => {
  const { app } = await buildReadyApp(t)
  const unhandled = processEvents(t, 'unhandledRejection')
  let cleaned = false
  const task = app.addTask(function * () {
    try { yield Promise.reject(new Error('nobody awaits it')) } finally { cleaned = true }
  }, { name: 'hasty' })
  await t.rejects(task.finished, {
    code: 'FST_ERR_TASK_YIELDED_PROMISE',
    message: 'The work of task "hasty", a function *, yielded a promise: write it as an async function * that awaits the promise'
  })
  t.ok(task.error instanceof TypeError)
  t.equal(cleaned, true)
  t.equal(task.progress, undefined)
  await immediate()
  t.strictSame(unhandled, [])
})

t.test('a generator that catches the refusal goes on, and yielding more promises does not hold up the event loop', async t => {
  const { app } = await buildReadyApp(t)
  const gate = new AbortController()
  const task = app.addTask(function * () {
    while (!gate.signal.aborted) try { yield Promise.resolve(1) } catch {}
    return 'done'
  })
  await immediate()
  gate.abort()
  t.equal(await task.finished, 'done')
})

t.test('a generator that cancels itself at the end of a slice goes on before the other computing tasks', async t => {
  const { app } = await buildReadyApp(t)
  const order: string[] = []
  const compute = () => { for (const end = performance.now() + 20; performance.now() < end;); }
  const cancelled = app.addTask(function * (_app, task) {
    task.cancel().catch(() => {})
    compute()
    try { yield } finally { order.push('cancelled') }
  })
  const other = app.addTask(function * () {
    compute()
    yield
    order.push('other')
  })
  await Promise.allSettled([cancelled.finished, other.finished])
  t.equal(cancelled.status, 'cancelled')
  t.strictSame(order, ['cancelled', 'other'])
})
