import Fastify, { type FastifyInstance } from 'fastify'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import tasks, { type Task, type TaskWork } from '../../index.ts'
import { buildApp } from './fixtures/app.ts'

const callables: Record<string, () => TaskWork<string>> = {
  'a callable': () => () => 'done',
  'an async callable': () => async () => setImmediate('done'),
  'a callable that returns a foreign thenable': () => () => foreignThenable()
}

const thenables: Record<string, () => TaskWork<string>> = {
  'a promise': () => setImmediate('done'),
  'a foreign thenable': foreignThenable
}

function foreignThenable (): PromiseLike<string> {
  return { then: (resolve: any) => setImmediate('done').then(resolve) }
}

for (const [kind, makeWork] of Object.entries(callables)) {
  t.test(`${kind} added before ready is deferred, then runs`, async t => {
    const { app } = await buildApp(t)
    const task = app.addTask(makeWork())
    t.equal(task.status, 'deferred')
    await app.ready()
    t.equal(await task.finished, 'done')
  })

  t.test(`${kind} added in an onReady hook before the plugin's own is deferred, then runs`, async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    let task: Task<string> | undefined
    let status
    app.addHook('onReady', async () => {
      task = app.addTask(makeWork())
      status = task.status
    })
    await app.register(tasks)
    await app.ready()
    t.equal(status, 'deferred')
    t.equal(await task?.finished, 'done')
  })
}

for (const [kind, makeWork] of Object.entries(thenables)) {
  t.test(`${kind} added before ready is tracked at once`, async t => {
    const { app } = await buildApp(t)
    const task = app.addTask(makeWork())
    t.equal(task.status, 'running')
    t.equal(await task.finished, 'done', 'though the app is not ready')
    t.equal(task.status, 'completed')
  })
}

for (const [kind, makeWork] of Object.entries({ ...callables, ...thenables })) {
  const startedStatus = kind === 'a callable' ? 'completed' : 'running'

  t.test(`${kind} added in an onReady hook after the plugin's own has started when addTask returns`, async t => {
    const { app } = await buildApp(t)
    let task: Task<string> | undefined
    let status
    app.addHook('onReady', async () => {
      task = app.addTask(makeWork())
      status = task.status
    })
    await app.ready()
    t.equal(status, startedStatus)
    t.equal(await task?.finished, 'done')
  })

  t.test(`${kind} added in a handler has started when addTask returns and outlives the request`, async t => {
    const { app } = await buildApp(t)
    let task: Task<string> | undefined
    app.get('/', async () => {
      task = app.addTask(makeWork())
      return task.status
    })
    const response = await app.inject('/')
    t.equal(response.body, startedStatus)
    t.equal(await task?.finished, 'done')
  })

  t.test(`${kind} added after close is refused`, async t => {
    const { app } = await buildApp(t)
    await app.close()
    t.throws(() => app.addTask(makeWork()), { code: 'FST_ERR_TASK_CLOSED', statusCode: 503 })
    t.throws(() => app.addTask(makeWork(), { name: 'late' }), { message: /task "late"/ })
    t.equal(app.tasks.size, 0)
  })
}

t.test('a callable added after close never runs', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  await app.close()
  let ran = false
  t.throws(() => app.addTask(() => { ran = true }), { code: 'FST_ERR_TASK_CLOSED' })
  await setImmediate()
  t.equal(ran, false)
})

t.test('the synchronous part of a callable runs before addTask returns', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const order: string[] = []
  const task = app.addTask(async () => {
    order.push('started')
    await setImmediate()
    order.push('ended')
  })
  order.push('added')
  await task.finished
  t.same(order, ['started', 'added', 'ended'])
})

for (const [what, result] of Object.entries({
  nothing: undefined,
  null: null,
  'a number': 0,
  'an object': { rows: 5 },
  'an object whose then is no function': { then: 'later' },
  'a function': () => {}
})) {
  t.test(`a callable that returns ${what} has completed with it when addTask returns`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const task = app.addTask((): unknown => result)
    t.equal(task.status, 'completed')
    t.equal(task.settled, true)
    t.equal(task.result, result)
  })
}

t.test('a callable that throws has failed when addTask returns', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => { throw new Error('boom') })
  t.equal(task.status, 'failed')
  t.equal(task.settled, true)
})

t.test('a callable gets its own task', async t => {
  const { app } = await buildApp(t)
  let own: Task | undefined
  const deferred = app.addTask((_app, task) => { own = task })
  await app.ready()
  t.equal(own, deferred)
  const started = app.addTask(async (_app, task) => task.id)
  t.equal(await started.finished, started.id)
})

t.test('a callable is called with its instance and its task, and without a this', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let called: { self: unknown, args: unknown[] } | undefined
  const task = app.addTask(function (this: unknown, ...args: unknown[]) { called = { self: this, args } })
  t.equal(called?.self, undefined)
  t.equal(called?.args.length, 2)
  t.equal(called?.args[0], app)
  t.equal(called?.args[1], task)
})

t.test('work that is added on the root instance gets that instance', async t => {
  const { app } = await buildApp(t)
  const injected: FastifyInstance[] = []
  app.addTask(app => { injected.push(app) })
  await app.ready()
  app.addTask(app => { injected.push(app) })
  t.equal(injected.length, 2)
  t.equal(injected[0], app)
  t.equal(injected[1], app)
})

t.test('work that is added on an encapsulated child gets that child, with its own decorators', async t => {
  const { app } = await buildApp(t)
  const injected: FastifyInstance[] = []
  let child: FastifyInstance | undefined
  app.register(async instance => {
    child = instance
    instance.decorate('shelf', 'of the child')
    instance.addTask(app => { injected.push(app) })
    instance.get('/', async request => {
      request.server.addTask(app => { injected.push(app) })
      return 'added'
    })
  })
  await app.inject('/')
  t.equal(injected.length, 2)
  t.equal(injected[0], child)
  t.equal(injected[1], child)
  t.equal(injected[0]?.getDecorator('shelf'), 'of the child')
})

t.test('a detached addTask gives work the instance that the plugin was registered on', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let injected: FastifyInstance | undefined
  const { addTask } = app
  addTask(app => { injected = app })
  t.equal(injected, app)
})

t.test('an addTask detached from a child gives work the instance that the plugin was registered on', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  let registeredOn: FastifyInstance | undefined
  const injected: FastifyInstance[] = []
  app.register(async parent => {
    registeredOn = parent
    await parent.register(tasks)
    parent.register(async child => {
      const { addTask } = child
      addTask(app => { injected.push(app) })
      child.addTask(app => { injected.push(app) })
    })
  })
  await app.ready()
  t.equal(injected.length, 2)
  t.equal(injected[0], registeredOn)
  t.not(injected[1], registeredOn, 'where the child that adds it itself is injected')
})

t.test('an addTask put on another object gives work the instance that the plugin was registered on', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let injected: FastifyInstance | undefined
  const jobs = { add: app.addTask }
  jobs.add(app => { injected = app as unknown as FastifyInstance })
  t.equal(injected, app)
})
