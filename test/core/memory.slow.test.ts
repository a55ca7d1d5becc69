// What a settled, named task keeps, which may be for hours: its state, result, error and data, not the request it was for.
import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { setImmediate as immediate } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import type { FastifyTasksOptions, Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { collectGarbage, countKept } from './fixtures/collect-garbage.ts'
import { holdProcess } from './fixtures/hold-process.ts'

t.beforeEach(holdProcess)

const REQUESTS = 10
const BODY = 100_000

/** What a request brings along, and its task may hold on to. */
interface Client { body: string, id: number }

type Handler = (app: FastifyInstance, client: Client, request: FastifyRequest, reply: FastifyReply) => unknown

/** Work that is an object of its own: until an error's stack is formatted, its frames hold the object. */
class Work {
  readonly client: Client
  constructor (client: Client) {
    this.client = client
  }

  error (options?: ErrorOptions): Error {
    return new Error('broken', options)
  }

  aggregate (): Error {
    return new AggregateError([this.error(), this.error({ cause: this.error() })], 'all broken')
  }
}

/**
 * Lets real requests with large bodies add tasks, which then settle and stay. Answers how many of what the requests
 * brought along are held still, and their tasks.
 */
async function keptAfter (t: Test, handler: Handler, options: FastifyTasksOptions = { onError () {} }) {
  const { app } = await buildApp(t, options)
  app.log.level = 'fatal' // who logs an error, or warns of it, formats its stack
  const refs: WeakRef<Client>[] = []
  app.post('/', async (request, reply) => {
    const client = { body: request.body as string, id: refs.length }
    refs.push(new WeakRef(client))
    await handler(app, client, request, reply)
    return reply.send('done')
  })
  const url = await app.listen()
  for (let i = 0; i < REQUESTS; i++) {
    await (await fetch(url, { method: 'POST', body: 'x'.repeat(BODY), headers: { 'content-type': 'text/plain' } })).text()
  }
  await app.tasks.idle()
  return { kept: await countKept(refs), tasks: [...app.tasks] }
}

const handlers: Record<string, { handler: Handler, status: Task['status'], options?: FastifyTasksOptions }> = {
  'its work': {
    status: 'completed',
    handler: (app, client) => { app.addTask(async () => client.body.length, { name: `task:${client.id}` }) }
  },
  'a listener on its signal': {
    status: 'completed',
    handler (app, client) {
      app.addTask(async (_app, { signal }) => {
        signal.addEventListener('abort', () => client.body)
        await immediate()
      }, { name: `task:${client.id}` })
    }
  },
  'a listener on the signal of a cancelled task': {
    status: 'cancelled',
    handler: async (app, client) => {
      await app.addTask((app, task) => {
        task.signal.addEventListener('abort', () => client.body)
        return untilAborted(app, task)
      }, { name: `task:${client.id}` }).cancel()
    }
  },
  'the frames of what it threw': {
    status: 'failed',
    handler: (app, client) => { app.addTask(() => { throw new Work(client).error() }, { name: `task:${client.id}` }) }
  },
  'the frames of a cause': {
    status: 'failed',
    handler (app, client) {
      app.addTask(async () => { throw Object.assign(new Error('outer', { cause: { cause: new Work(client).error() } })) }, { name: `task:${client.id}` })
    }
  },
  'the frames of the errors of an AggregateError': {
    status: 'failed',
    handler: (app, client) => { app.addTask(async () => { throw new Work(client).aggregate() }, { name: `task:${client.id}` }) }
  },
  'the frames of a cancellation\'s reason': {
    status: 'cancelled',
    handler: async (app, client) => {
      await app.addTask(untilAborted, { name: `task:${client.id}` }).cancel({ reason: new Work(client).error() })
    }
  },
  'the frames of a reason that its work has swallowed': {
    status: 'completed',
    handler: async (app, client) => {
      await app.addTask((app, task) => untilAborted(app, task).catch(() => 'swallowed'), { name: `task:${client.id}` }).cancel({ reason: new Work(client).error() })
    }
  },
  'the frames of a reason that its clean-up failed after': {
    status: 'failed',
    handler: async (app, client) => {
      await app.addTask(async (app, task) => {
        await untilAborted(app, task).catch(() => {})
        throw 'disk full' // eslint-disable-line no-throw-literal
      }, { name: `task:${client.id}` }).cancel({ reason: new Work(client).error() })
    }
  },
  'a promise that never ends': {
    status: 'cancelled',
    handler: async (app, client) => {
      const promise = deaf().finally(() => client.body)
      await app.addTask(promise, { name: `task:${client.id}` }).cancel()
    }
  },
  'a generator': {
    status: 'cancelled',
    handler: async (app, client) => {
      const task = app.addTask(function * () { for (;;) yield client.body.length }, { name: `task:${client.id}` })
      await immediate()
      await task.cancel()
    }
  },
  'an async generator': {
    status: 'completed',
    handler (app, client) {
      app.addTask(async function * () {
        yield client.body.length
        await immediate()
      }, { name: `task:${client.id}` })
    }
  },
  'who watches it': {
    status: 'completed',
    handler: async (app, client) => {
      const watch = Object.assign(app.addTask(() => immediate(), { name: `task:${client.id}` }).watch(), { client })
      await watch.next()
    }
  },
  'who waits for it to finish': {
    status: 'failed',
    handler: async (app, client) => {
      const { finished } = app.addTask(() => immediate().then(() => { throw 'broken' }), { name: `task:${client.id}` }) // eslint-disable-line no-throw-literal
      finished.then(() => client.body, () => client.body)
      await finished.catch(() => client.body)
    }
  },
  'its outer signal': {
    status: 'completed',
    handler (app, client) {
      const controller = new AbortController()
      controller.signal.addEventListener('abort', () => client.body)
      app.addTask(() => immediate(), { name: `task:${client.id}`, signal: controller.signal })
    }
  },
  'its reply': {
    status: 'completed',
    handler (app, client, _request, reply) {
      Object.assign(reply.raw, { client })
      app.addTask(() => immediate(), { name: `task:${client.id}`, after: reply })
    }
  },
  'its timeout': {
    status: 'failed',
    handler (app, client) {
      app.addTask((app, task) => untilAborted(app, task).finally(() => client.body), { name: `task:${client.id}`, timeout: 1 })
    }
  },
  'an onError that has ended': {
    status: 'failed',
    options: { onError: () => immediate() },
    handler (app, client) { app.addTask(() => { throw client.body.length }, { name: `task:${client.id}` }) }
  },
  'the async context it was added in': {
    status: 'completed',
    handler (app, client) {
      new AsyncLocalStorage<Client>().run(client, () => {
        const task = app.addTask(() => immediate(), { name: `task:${client.id}` })
        task.log.info('added')
        task.signal.throwIfAborted()
        task.finished.then(() => {})
      })
    }
  }
}

for (const [what, { handler, status, options }] of Object.entries(handlers)) {
  t.test(`a settled task releases ${what}`, async t => {
    const { kept, tasks } = await keptAfter(t, handler, options)
    t.strictSame(tasks.map(task => task.status), Array(REQUESTS).fill(status))
    t.ok(kept <= 1, `${kept} of ${REQUESTS} requests kept, of which the last may still be its connection's`)
  })
}

t.test('a settled task that was traced releases the async context it was added in', async t => {
  const { start } = tracingChannel('fastify-tasks.task')
  const subscriber = () => {}
  start.subscribe(subscriber)
  t.teardown(() => start.unsubscribe(subscriber))
  const context = new AsyncLocalStorage<Client>()
  const { kept, tasks } = await keptAfter(t, (app, client) => {
    context.run(client, () => {
      if (client.id % 2 === 0) app.addTask(() => immediate(), { name: `task:${client.id}` })
      else app.addTask(() => {}, { name: `task:${client.id}` })
    })
  })
  t.equal(tasks.length, REQUESTS)
  t.ok(kept <= 1, `${kept} of ${REQUESTS} requests kept`)
})

t.test('the signal of a settled task is aborted if the task was aborted, however late it is read', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const cancelled = app.addTask(untilAborted)
  await cancelled.cancel({ reason: 'over' })
  const completed = app.addTask(async (_app, { signal }) => { signal.throwIfAborted() })
  await completed.finished
  await collectGarbage()
  t.match(cancelled.signal, { aborted: true, reason: cancelled.error })
  t.equal(cancelled.signal, cancelled.signal)
  t.equal(completed.signal.aborted, false)
})

t.test('stacks are read once, and an error with a getter that throws is left alone', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unreadable = new Proxy(new Error('proxied'), { get () { throw new Error('no') } })
  const cyclic = new Error('cyclic') as Error & { errors?: unknown }
  cyclic.cause = cyclic
  cyclic.errors = [cyclic, null, 'text']
  for (const error of [unreadable, cyclic, null, 'text', { stack: 5, cause: 5, errors: 5 }]) {
    const task = app.addTask(async () => { throw error })
    await app.tasks.idle()
    t.equal(task.status, 'failed')
    t.equal(task.error, error)
  }
})

t.test('waits that have timed out leave nothing behind', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(deaf)
  const heap = async () => {
    await collectGarbage()
    return process.memoryUsage().heapUsed
  }
  async function giveUp (times: number) {
    for (let i = 0; i < times; i += 500) await Promise.all(Array.from({ length: 500 }, () => task.cancel({ timeout: 0 }).catch(() => {})))
  }
  function abandonIdle (times: number) {
    for (let i = 0; i < times; i++) app.tasks.idle()
  }
  for (const wait of [giveUp, abandonIdle]) {
    await wait(2000)
    const before = await heap()
    await wait(10_000)
    const each = (await heap() - before) / 10_000
    t.ok(each < 60, `${wait.name}: ${each} bytes each`)
  }
})

t.test('a task that is cancelled before the app is ready releases its work at once', async t => {
  const { app } = await buildApp(t)
  const refs: WeakRef<object>[] = []
  function add () {
    const input = { large: 'x'.repeat(BODY) }
    refs.push(new WeakRef(input))
    return app.addTask(() => input)
  }
  for (let i = 0; i < 100; i++) await add().cancel()
  t.equal(await countKept(refs), 0)
})
