import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

interface TaskMessage { task: Task, result?: unknown, error?: unknown }
type EventName = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'

let outer = new AbortController()
const eventNames: EventName[] = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']
const channel = tracingChannel<unknown, TaskMessage>('fastify-tasks.task')

/** What is published during a test: for each message the events, and the task's status at each. */
function subscribe (t: Test, onEvent: (name: EventName, message: TaskMessage) => void = () => {}) {
  const events: { name: EventName, message: TaskMessage, status: string }[] = []
  const subscribers = Object.fromEntries(eventNames.map(name => [name, (message: object) => {
    events.push({ name, message: message as TaskMessage, status: (message as TaskMessage).task?.status })
    onEvent(name, message as TaskMessage)
  }])) as unknown as Parameters<typeof channel.subscribe>[0]
  channel.subscribe(subscribers)
  const unsubscribe = () => channel.unsubscribe(subscribers)
  t.teardown(unsubscribe)
  return { events, unsubscribe, told: () => events.map(({ name, status }) => `${name} ${status}`) }
}

t.test('start and end are published around synchronous work, asyncStart and asyncEnd around what follows its end', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events, told } = subscribe(t)
  let before: string[] = []

  const task = app.addTask(() => { before = told() })

  t.strictSame(before, ['start running'])
  t.strictSame(told(), ['start running', 'end completed', 'asyncStart completed', 'asyncEnd completed'])
  t.ok(events.every(({ message }) => message === events[0]!.message), 'with one message')
  t.strictSame(events[0]!.message, { task, result: undefined })
})

t.test('start and end of asynchronous work are published around its synchronous part', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events, told } = subscribe(t)
  let before: string[] = []
  let after: string[] = []

  const task = app.addTask(async () => {
    before = told()
    await immediate()
    after = told()
  })
  t.strictSame(told(), ['start running', 'end running'])
  await task.finished

  t.strictSame(before, ['start running'])
  t.strictSame(after, ['start running', 'end running'])
  t.strictSame(told(), ['start running', 'end running', 'asyncStart completed', 'asyncEnd completed'])
  t.ok(events.every(({ message }) => message === events[0]!.message))
  t.equal(events[0]!.message.task, task)
})

t.test('a promise is published like work whose synchronous part is empty', async t => {
  const { app } = await buildApp(t)
  const { events, told } = subscribe(t)
  const work = withResolvers()

  const task = app.addTask(work.promise)
  t.strictSame(told(), ['start running', 'end running'])
  work.resolve()
  await task.finished

  t.strictSame(told(), ['start running', 'end running', 'asyncStart completed', 'asyncEnd completed'])
  t.ok(events.every(({ message }) => message === events[0]!.message))
})

t.test('error is published for every failure, before asyncStart, and before end if the work threw at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const failures: [string, () => Task][] = [
    ['sync', () => app.addTask(() => { throw new Error('sync') })],
    ['async', () => app.addTask(async () => { throw new Error('async') })],
    ['promise', () => app.addTask(Promise.reject(new Error('promise')))],
    ['unregistered', () => app.addTask(async () => { throw new Error('async') }, { register: false })],
    ['clean-up', () => {
      const task = app.addTask(async (app, task) => {
        await untilAborted(app, task).catch(() => { throw new Error('clean-up') })
      })
      task.cancel()
      return task
    }],
    ['undefined', () => app.addTask(async () => { throw undefined })] // eslint-disable-line no-throw-literal
  ]
  for (const [what, fail] of failures) {
    const { events, told, unsubscribe } = subscribe(t)
    const task = fail()
    await task.finished.catch(() => {})
    const error = what === 'sync' ? ['error failed', 'end failed'] : ['end running', 'error failed']
    t.strictSame(told(), ['start running', ...error, 'asyncStart failed', 'asyncEnd failed'], what)
    t.equal(events[0]!.message.error, task.error)
    t.ok(events.every(({ message }) => message === events[0]!.message && message.task === task))
    unsubscribe()
  }
})

t.test('a timeout is published as an error', async t => {
  holdProcess(t)
  const { app } = await buildApp(t)
  await app.ready()
  const { told } = subscribe(t)

  app.addTask(untilAborted, { timeout: 1 })
  await app.tasks.idle()

  t.strictSame(told(), ['start running', 'end running', 'error failed', 'asyncStart failed', 'asyncEnd failed'])
})

t.test('a cancellation publishes no error', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events, told } = subscribe(t)

  await app.addTask(untilAborted).cancel()

  t.strictSame(told(), ['start running', 'end running', 'asyncStart cancelled', 'asyncEnd cancelled'])
  t.ok(events.every(({ message }) => message === events[0]!.message))
})

t.test('a task that is cancelled before it starts publishes only asyncStart and asyncEnd', async t => {
  const { app } = await buildApp(t)
  const { events, told } = subscribe(t)
  const task = app.addTask(() => {})

  await task.cancel()
  await app.ready()

  t.strictSame(told(), ['asyncStart cancelled', 'asyncEnd cancelled'])
  t.strictSame(Object.keys(events[0]!.message), ['task'])
  t.equal(events[0]!.message.task, task)
})

t.test('a deferred task is published when it starts, not when it is added', async t => {
  const { app } = await buildApp(t)
  const { told } = subscribe(t)
  const task = app.addTask(async () => {})
  t.strictSame(told(), [])

  await app.ready()
  await task.finished

  t.strictSame(told(), ['start running', 'end running', 'asyncStart completed', 'asyncEnd completed'])
})

t.test('each task has a message of its own', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events } = subscribe(t)

  const running = Array.from({ length: 3 }, () => app.addTask(async () => {}))
  await app.tasks.idle()

  t.equal(new Set(events.map(({ message }) => message)).size, 3)
  for (const task of running) {
    t.strictSame(events.filter(({ message }) => message.task === task).map(({ name }) => name), ['start', 'end', 'asyncStart', 'asyncEnd'])
  }
})

t.test('a subscriber gets the same message at the start and at the end', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const spans = new WeakMap<TaskMessage, { ended: boolean }>()
  const ended: unknown[] = []
  subscribe(t, (name, message) => {
    if (name === 'start') spans.set(message, { ended: false })
    if (name === 'asyncEnd') ended.push(spans.get(message))
  })

  app.addTask(() => {})
  await app.addTask(async () => {}).finished
  await app.addTask(untilAborted).cancel()

  t.strictSame(ended, Array(3).fill({ ended: false }))
})

t.test('a store that is bound to start is the context of the work, and of nothing else', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const context = new AsyncLocalStorage<number>()
  channel.start.bindStore(context, message => (message as TaskMessage).task.id)
  t.teardown(() => channel.start.unbindStore(context))
  const seen: [id: number, ...stores: unknown[]][] = []
  const work = async (app: unknown, { id }: Task) => {
    const stores = [context.getStore()]
    await immediate()
    stores.push(context.getStore())
    seen.push([id, ...stores])
  }

  app.addTask(work)
  t.equal(context.getStore(), undefined)
  app.addTask(work)
  app.addTask((app, { id }) => { seen.push([id, context.getStore()]) })
  await app.tasks.idle()

  t.equal(context.getStore(), undefined)
  t.strictSame(seen, [[3, 3], [1, 1, 1], [2, 2, 2]])
})

t.test('a store that is bound to start is the context of a deferred task too', async t => {
  const { app } = await buildApp(t)
  const context = new AsyncLocalStorage<string>()
  const caller = new AsyncLocalStorage<string>()
  channel.start.bindStore(context, () => 'span')
  t.teardown(() => channel.start.unbindStore(context))
  let seen: unknown[] = []
  const task = caller.run('caller', () => app.addTask(async () => {
    await immediate()
    seen = [context.getStore(), caller.getStore()]
  }))

  await app.ready()
  await task.finished

  t.strictSame(seen, ['span', 'caller'])
})

t.test('tasks run after all subscribers have left', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { unsubscribe, told } = subscribe(t)
  const work = withResolvers<string>()
  const started = app.addTask(() => work.promise)
  unsubscribe()
  t.equal(channel.hasSubscribers, false)

  t.equal(app.addTask(() => 'sync').result, 'sync')
  await t.rejects(app.addTask(async () => { throw new Error('async') }).finished, { message: 'async' })
  work.resolve('done')
  t.equal(await started.finished, 'done')

  t.strictSame(told(), ['start running', 'end running'])
})

t.test('a subscriber that comes while a task runs gets the events of its end', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise)
  const { events, told } = subscribe(t)

  work.reject(new Error('broken'))
  await task.finished.catch(() => {})

  t.strictSame(told(), ['error failed', 'asyncStart failed', 'asyncEnd failed'])
  t.equal(events[0]!.message.task, task)
  t.ok(events.every(({ message }) => message === events[0]!.message), 'with one message')
})

t.test('a subscriber may cancel the task at its start', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { told, events } = subscribe(t, (name, { task }) => {
    if (name === 'start') task.cancel({ reason: 'not today' })
  })

  const sync = app.addTask((app, { signal }) => signal.throwIfAborted())
  t.equal(sync.status, 'cancelled')
  t.match(sync.error, { message: 'not today' })
  t.strictSame(told(), ['start running', 'end cancelled', 'asyncStart cancelled', 'asyncEnd cancelled'])

  events.length = 0
  const async = app.addTask(async (app, { signal }) => {
    await immediate()
    signal.throwIfAborted()
  })
  await t.rejects(async.finished, { message: 'not today' })
  t.strictSame(told(), ['start running', 'end cancelling', 'asyncStart cancelled', 'asyncEnd cancelled'])
})

t.test('a subscriber may cancel the task of a promise at its start', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events } = subscribe(t, (name, { task }) => {
    if (name === 'start') task.cancel({ reason: 'not today' })
  })

  const task = app.addTask(deaf())

  t.equal(task.status, 'cancelled')
  t.match(task.error, { message: 'not today' })
  t.strictSame(events.map(({ name }) => name), ['start', 'end', 'asyncStart', 'asyncEnd'])
})

for (const name of ['start', 'end', 'error', 'asyncStart', 'asyncEnd'] as const) {
  t.test(`a subscriber of ${name} alone gets its event`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const told: unknown[] = []
    const subscriber = (message: unknown) => { told.push(message) }
    channel[name].subscribe(subscriber)
    t.teardown(() => channel[name].unsubscribe(subscriber))

    const task = app.addTask(() => { throw new Error('broken') })

    t.strictSame(told, [{ task, error: task.error }])
  })
}

/** Ways for work to end that Node's own tracePromise knows, too. */
const endings: Record<string, () => unknown> = {
  'that returns': () => 'done',
  'that returns undefined': () => {},
  'that resolves': async () => 'done',
  'that resolves later': () => immediate('done'),
  'that rejects': async () => { throw new Error('broken') },
  'that rejects later': () => immediate().then(() => { throw new Error('broken') }),
  'that rejects with undefined': async () => { throw undefined }, // eslint-disable-line no-throw-literal
  'that returns a thenable': () => ({ then (resolve: (value: string) => void) { resolve('done') } })
}

for (const [what, end] of Object.entries(endings)) {
  t.test(`work ${what} is published as Node's tracePromise publishes it`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const told: Record<'ours' | 'nodes', unknown[]> = { ours: [], nodes: [] }
    const record = (list: unknown[]) => Object.fromEntries(eventNames.map(name => [name, (message: object) => {
      const { result, error } = message as TaskMessage
      if (name === 'end') list.push([name]) // of work that is over by then ours has the result already
      else list.push([name, 'result' in message, result, 'error' in message, String(error)])
    }])) as unknown as Parameters<typeof channel.subscribe>[0]
    const nodes = tracingChannel<unknown, TaskMessage>(`nodes:${what}`)
    const subscribers = { ours: record(told.ours), nodes: record(told.nodes) }
    channel.subscribe(subscribers.ours)
    nodes.subscribe(subscribers.nodes)
    t.teardown(() => { channel.unsubscribe(subscribers.ours); nodes.unsubscribe(subscribers.nodes) })

    const task = app.addTask(end)
    await Promise.resolve((nodes.tracePromise as (fn: () => unknown, message: object) => unknown)(async () => end(), {})).catch(() => {})
    await task.finished.catch(() => {})

    t.strictSame(told.ours, told.nodes)
    t.equal(told.ours.length, task.status === 'failed' ? 5 : 4)
  })
}

t.test('work that throws at once is published as by tracePromise up to its end, and then asynchronously', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events } = subscribe(t)
  const nodes: string[] = []
  const nodesChannel = tracingChannel<unknown, TaskMessage>('nodes:throws')
  const subscribers = Object.fromEntries(eventNames.map(name => [name, () => { nodes.push(name) }])) as unknown as Parameters<typeof channel.subscribe>[0]
  nodesChannel.subscribe(subscribers)
  t.teardown(() => nodesChannel.unsubscribe(subscribers))
  const end = (): never => { throw new Error('broken') }

  app.addTask(end)
  t.throws(() => nodesChannel.tracePromise(end, {} as TaskMessage), { message: 'broken' })

  t.strictSame(events.map(({ name }) => name), [...nodes, 'asyncStart', 'asyncEnd'])
})

t.test('a generator is published like work that returns a promise', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { events, told } = subscribe(t)
  await app.addTask(function * () { yield 1; return 'done' }).finished
  await app.addTask(async function * () { yield 1; return 'done' }).finished
  t.strictSame(told(), Array(2).fill(['start running', 'end running', 'asyncStart completed', 'asyncEnd completed']).flat())
  t.equal(events[2]!.message.result, 'done')
})

for (const [what, end] of Object.entries<(task: Task) => unknown>({
  'that is cancelled from elsewhere': task => task.cancel(),
  'that times out': () => {},
  'whose outer signal aborts': () => outer.abort()
})) {
  for (const promise of [false, true]) {
    t.test(`the events, logs and reports of ${promise ? 'a promise' : 'work'} ${what} have the stores that are bound to start`, async t => {
      holdProcess(t)
      outer = new AbortController()
      const context = new AsyncLocalStorage<number>()
      const seen: [string, number | undefined][] = []
      const see = (what: string) => { seen.push([what, context.getStore()]) }
      const { app } = await buildApp(t, { onError: async () => { see('onError'); await immediate(); see('onError, later') } })
      const log = Object.assign(app.log.child({}), { debug: () => see('log'), error: () => see('log'), child: () => log }) as typeof app.log
      await app.ready()
      channel.start.bindStore(context, message => (message as TaskMessage).task.id)
      t.teardown(() => channel.start.unbindStore(context))
      subscribe(t, name => { if (name !== 'end') see(name) })

      const task = app.addTask<unknown>(promise ? deaf() : untilAborted, { log, signal: outer.signal, ...(what === 'that times out' ? { timeout: 5 } : {}) })
      await context.run(-1, () => end(task))
      await app.tasks.idle()

      const failed = what === 'that times out'
      t.strictSame(seen, [
        ['start', 1], ['log', 1],
        ...(failed ? [['error', 1]] : []),
        ['asyncStart', 1], ['log', 1],
        ...(failed ? [['onError', 1]] : []),
        ['asyncEnd', 1],
        ...(failed ? [['onError, later', 1]] : [])
      ])
      t.equal(context.getStore(), undefined)
    })
  }
}

t.test('no message is made while nobody subscribes', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  t.equal(channel.hasSubscribers, false)
  const context = new AsyncLocalStorage<string>()
  await context.run('caller', async () => {
    t.equal(await app.addTask(async () => context.getStore()).finished, 'caller')
  })
})

t.test('idle waits for the onError of a traced task', async t => {
  subscribe(t)
  const gate = withResolvers()
  let isDone = false
  const { app } = await buildApp(t, {
    async onError () {
      await gate.promise
      isDone = true
    }
  })
  app.addTask(() => { throw new Error('failed') })
  const idle = app.tasks.idle()
  await app.ready()
  await immediate()
  gate.resolve()
  await idle
  t.equal(isDone, true)
})
