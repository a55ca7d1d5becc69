import { setImmediate as turn } from 'node:timers/promises'
import { Effect, Exit, FiberMap, Scope } from 'effect'
import PQueue from 'p-queue'
import { openFiberMap, readyApp } from './contenders.js'
import { measureRounds, ratio, ratios, timeOf } from './rounds.js'

const ROUNDS = 5
const BATCH = 100
const BATCHES = 50
const CANCELLED = 1000
const CLOSED = 10_000

const noop = () => {}
const names = Array.from({ length: Math.max(BATCH * BATCHES, CLOSED) }, (_, i) => `report:${i}`)

const idle = async () => {}
const lookAtSignal = async signal => { signal.throwIfAborted() }
const untilAborted = signal => new Promise((resolve, reject) => {
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
})

/** What one would write by hand. */
function track (set, promise) {
  const untrack = () => set.delete(promise)
  set.add(promise)
  promise.then(untrack, untrack)
  return promise
}

/** Starts 100 tasks at a time and lets them settle in one turn of the event loop, which costs each contender the same. */
function batches (start, purge = noop) {
  return {
    bench: async () => {
      for (let i = 0; i < BATCHES; i++) {
        for (let j = i * BATCH; j < (i + 1) * BATCH; j++) start(names[j])
        await turn()
        purge()
      }
    }
  }
}

/** Long enough to pay for the garbage that is made. */
const time = contender => timeOf(contender, { min_samples: 3, min_cpu_time: 250e6 })

async function unnamed (app, set, queue) {
  const rounds = await measureRounds({
    promise: batches(() => { idle() }),
    byHand: batches(() => { track(set, idle()) }),
    controller: batches(() => { track(set, idle(new AbortController().signal)) }),
    queue: batches(() => { queue.add(idle) }),
    tasks: batches(() => { app.addTask(idle) })
  }, time, ROUNDS)
  const cells = ratios(rounds, 'byHand')
  return { what: 'an unnamed task', cells, goals: { '≤ 2': cells.tasks <= 2 } }
}

/** Beside the promise in a Set of the row before, which has no name. */
async function named (app, set, queue, { run }) {
  const effect = Effect.promise(idle)
  const rounds = await measureRounds({
    byHand: batches(() => { track(set, idle()) }),
    queue: batches(name => { queue.add(idle, { id: name }) }),
    fiberMap: batches(name => { run(name, effect) }),
    tasks: batches(name => { app.addTask(idle, { name }) }, () => app.purgeTasks())
  }, time, ROUNDS)
  const cells = ratios(rounds, 'byHand')
  const queueBeside = ratio(rounds, 'queue', 'tasks')
  const fiberMapBeside = ratio(rounds, 'fiberMap', 'tasks')
  return {
    what: 'a named task and its purge',
    cells,
    goals: {
      '≤ 3': cells.tasks <= 3,
      [`p-queue ≥ 2.5 × ours: ${queueBeside.toFixed(2)}`]: queueBeside >= 2.5,
      [`FiberMap ≥ 2.5 × ours: ${fiberMapBeside.toFixed(2)}`]: fiberMapBeside >= 2.5
    }
  }
}

async function usesSignal (app, set, queue, { run }) {
  const effect = Effect.promise(signal => lookAtSignal(signal))
  const rounds = await measureRounds({
    controller: batches(() => { track(set, lookAtSignal(new AbortController().signal)) }),
    queue: batches(() => { queue.add(({ signal }) => lookAtSignal(signal), { signal: new AbortController().signal }) }),
    fiberMap: batches(name => { run(name, effect) }),
    tasks: batches(() => { app.addTask((app, { signal }) => lookAtSignal(signal)) })
  }, time, ROUNDS)
  return { what: 'a task that looks at its signal', cells: ratios(rounds, 'controller') }
}

async function cancel (app, set, queue, { map, run }) {
  const cancelled = names.slice(0, CANCELLED)
  const abortAll = async entries => {
    for (const { controller, promise } of entries) {
      controller.abort()
      await promise.catch(noop)
    }
  }
  const effect = Effect.promise(signal => untilAborted(signal))
  const rounds = await measureRounds({
    controller: {
      setup: () => cancelled.map(() => {
        const controller = new AbortController()
        return { controller, promise: track(set, untilAborted(controller.signal)) }
      }),
      bench: abortAll
    },
    queue: {
      setup: () => cancelled.map(id => {
        const controller = new AbortController()
        return { controller, promise: queue.add(({ signal }) => untilAborted(signal), { id, signal: controller.signal }) }
      }),
      bench: abortAll
    },
    fiberMap: {
      setup: () => cancelled.forEach(name => run(name, effect)),
      bench: () => Effect.runPromise(Effect.forEach(cancelled, name => FiberMap.remove(map, name), { discard: true }))
    },
    tasks: {
      setup: () => cancelled.forEach(name => app.addTask((app, { signal }) => untilAborted(signal), { name })),
      bench: async () => { for (const name of cancelled) await app.cancelTask(name) }
    }
  }, time, ROUNDS)
  const cells = ratios(rounds, 'controller')
  return { what: 'the cancellation of a named task', cells, goals: { '≤ 2': cells.tasks <= 2 } }
}

async function close () {
  const closed = names.slice(0, CLOSED)
  const effect = Effect.promise(signal => untilAborted(signal))
  const rounds = await measureRounds({
    controller: {
      setup: () => {
        const set = new Set()
        const controllers = closed.map(() => new AbortController())
        for (const { signal } of controllers) track(set, untilAborted(signal))
        return { controllers, set }
      },
      bench: ({ controllers, set }) => {
        for (const controller of controllers) controller.abort()
        return Promise.allSettled(set)
      }
    },
    fiberMap: {
      setup: () => {
        const { scope, run } = openFiberMap()
        for (const name of closed) run(name, effect)
        return scope
      },
      bench: scope => Effect.runPromise(Scope.close(scope, Exit.void))
    },
    tasks: {
      setup: async () => {
        const app = await readyApp()
        for (const name of closed) app.addTask((app, { signal }) => untilAborted(signal), { name })
        return app
      },
      bench: app => app.close()
    }
  }, time, ROUNDS)
  return { what: '10,000 live tasks closed at once', cells: ratios(rounds, 'controller') }
}

/** What a task costs in time, as the table's rows. */
export async function overhead () {
  const app = await readyApp()
  const contenders = [app, new Set(), new PQueue(), openFiberMap()]
  const rows = []
  for (const row of [unnamed, named, usesSignal, cancel, close]) rows.push(await row(...contenders))
  await app.close()
  return rows
}
