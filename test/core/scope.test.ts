import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('the end of a scope cancels a named task and drops it', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let seen: Task | undefined
  {
    await using task = app.addTask(untilAborted, { name: 'receiver' })
    seen = task
    t.equal(task.status, 'running')
    t.equal(app.getTask('receiver'), task)
  }
  t.equal(seen.status, 'cancelled')
  t.equal((seen.error as Error).name, 'AbortError')
  t.equal(app.tasks.size, 0)
  t.throws(() => app.getTask('receiver'), { code: 'FST_ERR_TASK_NOT_FOUND' })
  t.equal(app.purgeTasks(), 0)
})

t.test('the end of a scope cancels an unnamed task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let seen: Task | undefined
  {
    await using task = app.addTask(untilAborted)
    seen = task
    t.equal(app.tasks.size, 1)
  }
  t.equal(seen.status, 'cancelled')
  t.equal(app.tasks.size, 0)
})

t.test('the end of a scope cancels an unregistered task, and leaves the one that has its name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const registered = app.addTask(untilAborted, { name: 'receiver' })
  let seen: Task | undefined
  {
    await using task = app.addTask(untilAborted, { name: 'receiver', register: false })
    seen = task
    t.equal(task.status, 'running')
  }
  t.equal(seen.status, 'cancelled')
  t.equal(registered.status, 'running')
  t.equal(app.getTask('receiver'), registered)
})

t.test('the end of a scope cancels a deferred task, which never runs', async t => {
  const { app } = await buildApp(t)
  let ran = false
  {
    await using task = app.addTask(() => { ran = true }, { name: 'early' })
    t.equal(task.status, 'deferred')
  }
  t.equal(app.tasks.size, 0)
  await app.ready()
  t.equal(ran, false)
})

t.test('the end of a scope waits for the finally blocks of the work', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const order: string[] = []
  {
    await using task = app.addTask(async (app, task) => {
      try {
        await untilAborted(app, task)
      } finally {
        await setImmediate()
        order.push('unwound')
      }
    })
    t.equal(task.status, 'running')
  }
  order.push('left')
  t.same(order, ['unwound', 'left'])
})

for (const [how, work] of Object.entries({
  completed: (): unknown => 'done',
  failed: (): unknown => { throw new Error('boom') }
})) {
  t.test(`the end of a scope drops a task that has ${how} before`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    let seen: Task | undefined
    {
      await using task = app.addTask(work, { name: 'receiver' })
      seen = task
      t.equal(app.getTask('receiver'), task)
    }
    t.equal(seen.status, how)
    t.equal(app.tasks.size, 0)
    t.equal(app.getTask('receiver', { optional: true }), undefined)
  })
}

t.test('the end of a scope does not throw the error of the clean-up of the work', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let seen: Task | undefined
  {
    await using task = app.addTask((app, task) => untilAborted(app, task).catch(() => { throw new Error('cannot unlock') }), { name: 'receiver' })
    seen = task
    t.equal(task.status, 'running')
  }
  t.equal(seen.status, 'failed')
  t.equal(app.tasks.size, 0)
})

t.test('the end of a scope drops a task that was purged before, and its successor stays', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let successor: Task | undefined
  {
    await using task = app.addTask(() => 'done', { name: 'receiver' })
    t.equal(task.settled, true)
    app.purgeTasks()
    successor = app.addTask(untilAborted, { name: 'receiver' })
  }
  t.equal(app.getTask('receiver'), successor)
  t.equal(successor.status, 'running')
})

t.test('the end of a scope leaves the name of its task to the one that replaced it', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let replaced: Task | undefined
  let successor: Task | undefined
  {
    await using task = app.addTask(untilAborted, { name: 'receiver' })
    replaced = task
    successor = app.addTask(untilAborted, { name: 'receiver', onDuplicate: 'replace' })
  }
  t.equal(replaced.status, 'cancelled')
  t.equal(app.getTask('receiver'), successor)
  t.equal(successor.status, 'running')
  t.same([...app.tasks].map(({ id }) => id), [successor.id])
})

t.test('a scope that throws ends its task and rejects with its own error', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let seen: Task | undefined
  await t.rejects(async () => {
    await using task = app.addTask(untilAborted, { name: 'receiver' })
    seen = task
    throw new Error('of the scope')
  }, { message: 'of the scope' })
  t.equal(seen?.status, 'cancelled')
  t.equal(app.tasks.size, 0)
})

t.test('the end of a scope waits for a cancellation that has begun, whose reason stays', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const reason = new Error('first')
  const unwound = withResolvers()
  let seen: Task | undefined
  {
    await using task = app.addTask(async (_app, { signal }) => {
      await unwound.promise
      signal.throwIfAborted()
    }, { name: 'receiver' })
    seen = task
    task.cancel({ reason })
    setImmediate().then(() => unwound.resolve())
  }
  t.equal(seen.status, 'cancelled')
  t.equal(seen.error, reason)
})

t.test('the end of a scope rejects for a task that ignores its signal, and drops it', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 5 })
  await app.ready()
  let seen: Task | undefined
  await t.rejects(async () => {
    await using task = app.addTask(deaf, { name: 'receiver' })
    seen = task
    t.equal(task.status, 'running')
  }, { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: /receiver/ })
  t.equal(seen?.status, 'cancelling')
  t.equal(app.tasks.size, 0)
  t.equal(app.getTask('receiver', { optional: true }), undefined)
  t.doesNotThrow(() => app.addTask(untilAborted, { name: 'receiver' }), 'its name is free')
})

t.test('close cancels a task that its scope has dropped', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: 5, maxTasks: 1 })
  await app.ready()
  await t.rejects(app.addTask(deaf, { name: 'receiver' })[Symbol.asyncDispose](), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
  t.throws(() => app.addTask(() => {}), { code: 'FST_ERR_TASK_LIMIT' })
  await app.close()
  const warnings = lines.filter(({ level }) => level === 40)
  t.equal(warnings.length, 1)
  t.match(JSON.stringify(warnings), /receiver/)
})

t.test('scopes that end at the same time end their own tasks', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const kept = app.addTask(() => {}, { name: 'kept' })
  await Promise.all(Array.from({ length: 50 }, async (_, i) => {
    await using task = app.addTask(untilAborted, { name: `receiver ${i}` })
    await setImmediate()
    t.equal(task.status, 'running')
  }))
  t.same([...app.tasks].map(({ id }) => id), [kept.id])
})

t.test('a task may be disposed of twice', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'receiver' })
  await task[Symbol.asyncDispose]()
  const successor = app.addTask(untilAborted, { name: 'receiver' })
  await t.resolves(task[Symbol.asyncDispose]())
  t.equal(app.getTask('receiver'), successor)
})
