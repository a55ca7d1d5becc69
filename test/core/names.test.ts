import t from 'tap'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'then', ' ', '0', 'a/b?c=%d#é', '任务', 'x'.repeat(2000)]) {
  const shown = name.length > 20 ? `${name.length} characters` : JSON.stringify(name)

  t.test(`the name ${shown} is unknown until a task has it, and then works like any other name`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    t.throws(() => app.getTask(name), { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404 })
    t.equal(app.getTask(name, { optional: true }), undefined)
    await t.rejects(app.cancelTask(name), { code: 'FST_ERR_TASK_NOT_FOUND' })

    const task = app.addTask(untilAborted, { name })
    t.equal(task.name, name)
    t.equal(task.toJSON().name, name)
    t.equal(app.getTask(name), task)
    t.throws(() => app.addTask(untilAborted, { name }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    await app.cancelTask(name)
    t.equal(task.status, 'cancelled')
    t.equal(app.purgeTasks(), 1)
    t.equal(app.getTask(name, { optional: true }), undefined)
  })
}

for (const name of ['', 5, 0, null, true, Symbol('name'), {}, ['name'], () => 'name', 5n]) {
  t.test(`a name that is ${name === '' ? 'empty' : `the ${typeof name} ${String(name)}`} is refused, and the work does not run`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    let ran = false
    t.throws(() => app.addTask(() => { ran = true }, { name: name as string }), {
      code: 'FST_ERR_TASK_INVALID_OPTION',
      message: /"name" .* a non-empty string/
    })
    t.equal(ran, false)
    t.equal(app.tasks.size, 0)
  })
}

t.test('a task with an undefined name has no name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: undefined })
  t.equal(task.name, undefined)
  t.equal(app.tasks.size, 1)
})

t.test('getTask of a value that is not a string finds nothing, even if it equals the id of a task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unnamed = app.addTask(untilAborted)
  const named = app.addTask(untilAborted, { name: 'named' })
  for (const name of [unnamed.id, named.id, String(unnamed.id), undefined, null, '', {}] as string[]) {
    t.throws(() => app.getTask(name), { code: 'FST_ERR_TASK_NOT_FOUND' })
    t.equal(app.getTask(name, { optional: true }), undefined)
    await t.rejects(app.cancelTask(name), { code: 'FST_ERR_TASK_NOT_FOUND' })
  }
  t.equal(unnamed.status, 'running')
  t.equal(named.status, 'running')
})

t.test('a name that equals the id of another task finds the task of that name', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const first = app.addTask(untilAborted)
  const named = app.addTask(untilAborted, { name: String(first.id) })
  t.equal(app.getTask(String(first.id)), named)
})

t.test('names are case-sensitive and not trimmed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const names = ['report', 'Report', 'report ']
  const added = names.map(name => app.addTask(untilAborted, { name }))
  t.same(names.map(name => app.getTask(name).id), added.map(({ id }) => id))
})

t.test('a taken name is refused: the existing task goes on and the work does not run', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const holder = app.addTask(untilAborted, { name: 'report' })
  let ran = false
  t.throws(() => app.addTask(() => { ran = true }, { name: 'report' }), {
    code: 'FST_ERR_TASK_DUPLICATE_NAME',
    statusCode: 409,
    message: /"report"/
  })
  t.equal(ran, false)
  t.equal(holder.status, 'running')
  t.equal(holder.signal.aborted, false)
  t.equal(app.getTask('report'), holder)
  t.equal(app.tasks.size, 1)
})

t.test('a name is taken before its task has started', async t => {
  const { app } = await buildApp(t)
  const holder = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.getTask('report'), holder)
  t.throws(() => app.addTask(() => {}, { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
})

t.test('a name is taken while its task is cancelling', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  app.addTask(() => unwound.promise, { name: 'report' })
  const cancelled = app.cancelTask('report')
  t.throws(() => app.addTask(() => {}, { name: 'report' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  unwound.resolve()
  await cancelled
  t.doesNotThrow(() => app.addTask(() => {}, { name: 'report' }))
})

t.test('work cannot add a task with the name of its own task until it has ended', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const codes: unknown[] = []
  const add = () => {
    try {
      app.addTask(() => {}, { name: 'report' })
    } catch (error) {
      codes.push((error as NodeJS.ErrnoException).code)
    }
  }
  app.addTask(add, { name: 'report' })
  t.same(codes, ['FST_ERR_TASK_DUPLICATE_NAME'])
  add()
  t.equal(codes.length, 1)
})

t.test('a name is free again once its task has completed, failed or been cancelled', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const completed = app.addTask(() => {}, { name: 'report' })
  t.equal(app.getTask('report'), completed, 'which keeps it until then')
  const failed = app.addTask(() => { throw new Error('boom') }, { name: 'report' })
  t.equal(app.getTask('report'), failed)
  const cancelled = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.getTask('report'), cancelled)
  await cancelled.cancel()
  const last = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.getTask('report'), last)
  t.equal(app.tasks.size, 1)
})

t.test('a replaced task does not get its name back when it settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const holder = app.addTask(() => unwound.promise, { name: 'report' })
  const successor = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  t.equal(holder.status, 'cancelling')
  t.equal(holder.name, 'report', 'it is still called so')
  t.equal(app.getTask('report'), successor)
  t.same([...app.tasks].map(({ id }) => id), [successor.id])

  unwound.resolve()
  await holder.finished
  t.equal(app.getTask('report'), successor)
  t.same([...app.tasks].map(({ id }) => id), [successor.id])
  t.equal(app.purgeTasks(), 0)
  t.equal(app.getTask('report'), successor)
})

t.test('cancelTask cancels the task that has the name now, not the one that was replaced', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  const holder = app.addTask(() => unwound.promise, { name: 'report' })
  const successor = app.addTask(untilAborted, { name: 'report', onDuplicate: 'replace' })
  await app.cancelTask('report')
  t.equal(successor.status, 'cancelled')
  t.equal(holder.status, 'cancelling')
  unwound.resolve()
  await holder.finished
  t.equal(app.getTask('report'), successor)
})

t.test('two apps have names of their own', async t => {
  const { app } = await buildApp(t)
  const { app: other } = await buildApp(t)
  await app.ready()
  await other.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  t.equal(other.getTask('report', { optional: true }), undefined)
  t.not(other.addTask(untilAborted, { name: 'report' }), task)
})
