import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { lazyQuery } from './fixtures/lazy-query.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('reject, the default, refuses a taken name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  t.throws(() => app.addTask(() => {}, { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME', statusCode: 409 })
  t.throws(() => app.addTask(() => {}, { name: 'report', onDuplicate: 'reject' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  t.throws(() => app.addTask(() => {}, { name: 'report', onDuplicate: undefined }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  t.equal(holder.status, 'running')
})

t.test('reject refuses a promise, too', async t => {
  const { app } = await buildApp(t)
  const holder = app.addTask(deaf(), { name: 'report' })
  t.throws(() => app.addTask(Promise.resolve(), { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  t.equal(app.getTask('report'), holder)
})

t.test('replace cancels a running task and starts the new one at once', async t => {
  const { app, lines } = await buildApp(t)
  await app.ready()
  const order: string[] = []
  const holder = app.addTask((_app, { signal }) => new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => {
      order.push('holder aborted')
      reject(signal.reason)
    })
  }), { name: 'report' })
  const task = app.addTask(async () => {
    order.push('new task started')
    return 'new'
  }, { name: 'report', onDuplicate: 'replace' })
  t.same(order, ['holder aborted', 'new task started'])
  t.not(task, holder)
  t.equal(holder.status, 'cancelling')
  t.equal(app.getTask('report'), task)

  t.equal(await task.finished, 'new')
  await t.rejects(holder.finished, { name: 'AbortError' })
  t.equal(holder.status, 'cancelled')
  t.match((holder.error as Error).message, /report/)
  t.same(lines.filter(({ level }) => level >= 40), [], 'which is nothing to warn of')
})

t.test('replace does not wait for the replaced task to end', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const holder = app.addTask(() => unwound.promise, { name: 'report' })
  const task = app.addTask(() => 'new', { name: 'report', onDuplicate: 'replace' })
  t.equal(task.result, 'new')
  t.equal(holder.settled, false)
  unwound.resolve()
  await holder.finished
  t.equal(holder.status, 'completed')
})

t.test('replace cancels a deferred task, which never runs', async t => {
  const { app } = await buildApp(t)
  const ran: string[] = []
  const holder = app.addTask(() => { ran.push('holder') }, { name: 'report' })
  const task = app.addTask(() => { ran.push('new') }, { name: 'report', onDuplicate: 'replace' })
  t.equal(holder.status, 'cancelled')
  t.equal(task.status, 'deferred', 'the new one is deferred as any other')
  t.equal(app.tasks.size, 1)
  await app.ready()
  t.same(ran, ['new'])
})

t.test('replace of a cancelling task keeps the reason of its cancellation', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const holder = app.addTask(async (_app, { signal }) => {
    await unwound.promise
    signal.throwIfAborted()
  }, { name: 'report' })
  const reason = new Error('first')
  const cancelled = holder.cancel({ reason })
  const task = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(holder.status, 'cancelling')
  t.equal(task.status, 'running')
  t.equal(app.getTask('report'), task)
  unwound.resolve()
  await cancelled
  t.equal(holder.status, 'cancelled')
  t.equal(holder.error, reason)
})

t.test('replace settles the task of a promise at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(deaf(), { name: 'report' })
  const task = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(holder.status, 'cancelled')
  t.equal(app.getTask('report'), task)
})

t.test('replace with a promise cancels the existing task and tracks the promise', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  const task = app.addTask(setImmediate('new'), { name: 'report', onDuplicate: 'replace' })
  t.equal(task.status, 'running')
  t.equal(await task.finished, 'new')
  t.equal(holder.status, 'cancelled')
})

t.test('replace of a free name adds the task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(app.getTask('report'), task)
})

t.test('of tasks that replace one another, all but the last are cancelled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const added = Array.from({ length: 100 }, () => app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' }))
  const last = added.pop()!
  t.equal(app.getTask('report'), last)
  t.equal(app.tasks.size, 1)
  await Promise.allSettled(added.map(({ finished }) => finished))
  t.ok(added.every(({ status }) => status === 'cancelled'))
  t.equal(last.status, 'running')
})

t.test('a task may replace itself', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let successor: Task<string> | undefined
  const task = app.addTask(async (app, { signal }) => {
    await setImmediate()
    successor = app.addTask(() => 'successor', { name: 'report', onDuplicate: 'replace' })
    signal.throwIfAborted()
  }, { name: 'report' })
  await t.rejects(task.finished, { name: 'AbortError' })
  t.equal(task.status, 'cancelled')
  t.equal(successor?.result, 'successor')
  t.equal(app.getTask('report'), successor)
})

t.test('if the abort listener of a replaced task replaces, too, the task that was added last has the name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let fromListener: Task | undefined
  const holder = app.addTask((_app, { signal }) => new Promise<void>(resolve => {
    signal.addEventListener('abort', () => {
      fromListener = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
      resolve()
    })
  }), { name: 'report' })
  let ran = false
  const task = app.addTask(() => { ran = true }, { name: 'report', onDuplicate: 'replace' })
  t.equal(task.status, 'cancelled', 'replaced before it started')
  t.equal(ran, false)
  t.equal(app.getTask('report'), fromListener)
  t.equal(fromListener?.status, 'running')
  await holder.finished
  t.same([...app.tasks].map(({ id }) => id), [fromListener?.id])
})

t.test('when the abort listener of a replaced task adds with reject, it is refused', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let code
  app.addTask((_app, { signal }) => new Promise<void>(resolve => {
    signal.addEventListener('abort', () => {
      try {
        app.addTask(() => {}, { name: 'report' })
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code
      }
      resolve()
    })
  }), { name: 'report' })
  const task = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(code, 'FST_ERR_TASK_DUPLICATE_NAME')
  t.equal(app.getTask('report'), task)
  t.equal(task.status, 'running')
})

t.test('when the abort listener of a replaced task adds with keep, it gets the new task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let kept: Task | undefined
  app.addTask((_app, { signal }) => new Promise<void>(resolve => {
    signal.addEventListener('abort', () => {
      kept = app.addTask(() => {}, { name: 'report', onDuplicate: 'keep' })
      resolve()
    })
  }), { name: 'report' })
  const task = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(kept, task)
  t.equal(task.status, 'running')
})

t.test('keep returns a running task and never runs the work', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  let ran = false
  const kept = app.addTask(() => { ran = true }, { name: 'report', onDuplicate: 'keep' })
  t.equal(kept, holder)
  await holder.cancel()
  await setImmediate()
  t.equal(ran, false)
  t.equal(app.tasks.size, 1)
})

t.test('keep returns a deferred task and never runs the work', async t => {
  const { app } = await buildApp(t)
  const ran: string[] = []
  const holder = app.addTask(() => { ran.push('holder') }, { name: 'report' })
  t.equal(app.addTask(() => { ran.push('new') }, { name: 'report', onDuplicate: 'keep' }), holder)
  await app.ready()
  t.same(ran, ['holder'])
})

t.test('keep returns a cancelling task, which has not settled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const holder = app.addTask(() => unwound.promise, { name: 'report' })
  const cancelled = holder.cancel()
  let ran = false
  t.equal(app.addTask(() => { ran = true }, { name: 'report', onDuplicate: 'keep' }), holder)
  unwound.resolve()
  await cancelled
  t.equal(ran, false)
})

t.test('keep returns the existing task instead of a promise', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.addTask(Promise.resolve('unseen'), { name: 'report', onDuplicate: 'keep' }), holder)
  t.equal(app.tasks.size, 1)
})

t.test('keep of a free name adds the task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  t.equal(app.addTask(() => 'ran', { name: 'report', onDuplicate: 'keep' }).result, 'ran')
})

for (const onDuplicate of ['reject', 'replace', 'keep'] as const) {
  for (const [how, work] of Object.entries({
    completed: () => {},
    failed: () => { throw new Error('boom') }
  })) {
    t.test(`a ${how} task is replaced with ${onDuplicate}`, async t => {
      const { app } = await buildApp(t)
      await app.ready()
      const holder = app.addTask(work, { name: 'report' })
      const task = app.addTask(() => 'new', { name: 'report', onDuplicate })
      t.not(task, holder)
      t.equal(task.result, 'new')
      t.equal(holder.status, how, 'a settled task does not change')
      t.equal(app.getTask('report'), task)
      t.same([...app.tasks].map(({ id }) => id), [task.id])
    })
  }

  t.test(`a cancelled task is replaced with ${onDuplicate}`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const reason = new Error('not needed')
    const holder = app.addTask(untilAborted, { name: 'report' })
    await holder.cancel({ reason })
    const task = app.addTask(() => 'new', { name: 'report', onDuplicate })
    t.equal(task.result, 'new')
    t.equal(holder.error, reason)
    t.equal(app.getTask('report'), task)
    t.equal(app.tasks.size, 1)
  })
}

for (const onDuplicate of ['reject', 'replace', 'keep'] as const) {
  t.test(`an unregistered task with a taken name and ${onDuplicate} runs beside the other`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const holder = app.addTask(untilAborted, { name: 'report' })
    const task = app.addTask(() => 'beside', { name: 'report', onDuplicate, register: false })
    t.equal(task.result, 'beside')
    t.equal(holder.status, 'running')
    t.equal(app.getTask('report'), holder)
  })

  t.test(`a task with ${onDuplicate} and the name of an unregistered one runs beside it`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const unregistered = app.addTask(untilAborted, { name: 'report', register: false })
    const task = app.addTask(() => 'beside', { name: 'report', onDuplicate })
    t.equal(task.result, 'beside')
    t.equal(unregistered.status, 'running')
  })
}

t.test('a query that begins when it is awaited does not begin if it is refused, or not needed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const { query, runs } = lazyQuery()
  const holder = app.addTask(untilAborted, { name: 'report' })
  t.throws(() => app.addTask(query, { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  t.equal(app.addTask(query, { name: 'report', onDuplicate: 'keep' }), holder)
  await setImmediate()
  t.equal(runs(), 0)
  t.equal(await app.addTask(query).finished, 'row')
  t.equal(runs(), 1)
})
