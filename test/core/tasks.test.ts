import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { isPending } from './fixtures/is-pending.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const ids = (tasks: Iterable<Task>) => Array.from(tasks, ({ id }) => id)

t.test('app.tasks is empty at first', async t => {
  const { app } = await buildApp(t)
  t.equal(app.tasks.size, 0)
  t.same([...app.tasks], [])
  t.equal(JSON.stringify(app.tasks), '[]')
})

t.test('tasks are in the order added, named or not, deferred or not', async t => {
  const { app } = await buildApp(t)
  const added = [
    app.addTask(untilAborted),
    app.addTask(untilAborted, { name: 'b' }),
    app.addTask(deaf()),
    app.addTask(untilAborted, { name: 'a' })
  ]
  t.same(ids(app.tasks), ids(added))
  await app.ready()
  added.push(app.addTask(untilAborted, { name: '0' }), app.addTask(untilAborted))
  t.same(ids(app.tasks), ids(added))
  t.equal(app.tasks.size, 6)
  const [first] = app.tasks
  t.equal(first, added[0])
})

t.test('tasks stay in the order added when they settle in another', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const works = Array.from({ length: 5 }, () => withResolvers())
  const added = works.map((work, i) => app.addTask(() => work.promise, { name: `task ${i}` }))
  for (const i of [3, 0, 4]) {
    works[i]!.resolve()
    await added[i]!.finished
    t.same(ids(app.tasks), ids(added))
  }
  t.equal(app.tasks.size, 5)
  added.push(app.addTask(untilAborted, { name: 'last' }))
  t.same(ids(app.tasks), ids(added))
  works[1]!.reject(new Error('boom'))
  await t.rejects(added[1]!.finished)
  t.same(ids(app.tasks), ids(added))
  works[2]!.resolve()
})

t.test('a task that takes the name of a settled one is the last in app.tasks', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {}, { name: 'report' })
  const other = app.addTask(untilAborted)
  const again = app.addTask(untilAborted, { name: 'report' })
  t.same(ids(app.tasks), [other.id, again.id])
})

t.test('an unnamed task is dropped when it has settled, however it settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const returned = withResolvers()
  const threw = withResolvers()
  const completed = app.addTask(() => returned.promise)
  const failed = app.addTask(() => threw.promise)
  const cancelled = app.addTask(untilAborted)
  t.equal(app.tasks.size, 3)
  returned.resolve()
  await completed.finished
  t.same(ids(app.tasks), [failed.id, cancelled.id])
  threw.reject(new Error('boom'))
  await t.rejects(failed.finished)
  t.same(ids(app.tasks), [cancelled.id])
  await cancelled.cancel()
  t.equal(app.tasks.size, 0)
  app.addTask(() => {})
  t.equal(app.tasks.size, 0, 'a synchronous one has left when addTask returns')
})

t.test('an unnamed task is in app.tasks while it is cancelling', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const work = withResolvers()
  const task = app.addTask(() => work.promise)
  const cancelled = task.cancel()
  t.same(ids(app.tasks), [task.id])
  work.resolve()
  await cancelled
  t.equal(app.tasks.size, 0)
})

t.test('an unnamed task is in app.tasks while its work runs', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let seen: number[] = []
  const task = app.addTask(app => { seen = ids(app.tasks) })
  t.same(seen, [task.id])
})

t.test('a named task stays until it is purged, however it settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(() => {}, { name: 'completed' })
  app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  await app.addTask(untilAborted, { name: 'cancelled' }).cancel()
  t.same([...app.tasks].map(({ name, status }) => [name, status]), [
    ['completed', 'completed'],
    ['failed', 'failed'],
    ['cancelled', 'cancelled']
  ])
  t.equal(app.tasks.size, 3)
  app.purgeTasks()
  t.equal(app.tasks.size, 0)
  t.same([...app.tasks], [])
})

t.test('tasks may be purged while they are iterated', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const added = Array.from({ length: 10 }, (_, i) => app.addTask(i % 2 === 0 ? () => {} : untilAborted, { name: `task ${i}` }))
  const seen = []
  for (const task of app.tasks) {
    seen.push(task.id)
    app.purgeTasks()
  }
  t.same(seen, ids(added))
  t.same(ids(app.tasks), ids(added.filter(({ settled }) => !settled)))
})

t.test('tasks may be added and cancelled while they are iterated', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (let i = 0; i < 5; i++) app.addTask(untilAborted)
  let count = 0
  for (const task of app.tasks) {
    if (++count > 100) break
    await task.cancel()
    app.addTask(untilAborted)
  }
  t.ok(count <= 100, 'the iteration ends')
  t.equal(app.tasks.size, 5)
})

t.test('each iteration goes over the tasks that exist when it begins', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const first = app.addTask(untilAborted)
  t.same(ids(app.tasks), [first.id])
  t.same(ids(app.tasks), [first.id])
  const { tasks } = app
  const second = app.addTask(untilAborted)
  t.same(ids(tasks), [first.id, second.id])
  t.equal(tasks.size, 2)
})

t.test('app.tasks serialises to the array of the states', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const running = app.addTask(untilAborted)
  const failed = app.addTask(() => { throw new Error('boom') }, { name: 'failed' })
  running.progress = { done: 5 }
  t.same(app.tasks.toJSON(), [running.toJSON(), failed.toJSON()])
  t.match(JSON.parse(JSON.stringify(app.tasks)), [
    { id: running.id, status: 'running', progress: { done: 5 } },
    { id: failed.id, name: 'failed', status: 'failed', error: { message: 'boom' } }
  ])
})

t.test('a handler may return tasks', async t => {
  const { app } = await buildApp(t)
  app.get('/tasks', async () => app.tasks)
  app.get('/list', async () => [...app.tasks])
  await app.ready()
  app.addTask(untilAborted, { name: 'a' })
  app.addTask(untilAborted, { name: 'b' })
  const response = await app.inject('/tasks')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /application\/json/)
  t.match(response.json(), [{ name: 'a', status: 'running' }, { name: 'b', status: 'running' }])
  t.same((await app.inject('/list')).json(), response.json())
})

t.test('encapsulated children share the tasks of the app', async t => {
  const { app } = await buildApp(t)
  let child: typeof app | undefined
  app.register(async instance => { child = instance })
  await app.ready()
  const task = child!.addTask(untilAborted, { name: 'of the child' })
  t.equal(app.getTask('of the child'), task)
  t.same(ids(app.tasks), [task.id])
  t.same(ids(child!.tasks), [task.id])
})

t.test('idle resolves at once when there is nothing to wait for', async t => {
  const { app } = await buildApp(t)
  t.equal(await isPending(app.tasks.idle()), false)
  await app.ready()
  app.addTask(() => {}, { name: 'settled, and kept' })
  t.equal(await app.tasks.idle(), undefined)
})

t.test('idle waits until the last task has settled, however it settles', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const returned = withResolvers()
  const threw = withResolvers()
  app.addTask(() => returned.promise, { name: 'completes' })
  app.addTask(() => threw.promise)
  const cancelled = app.addTask(untilAborted)
  const idle = app.tasks.idle()
  returned.resolve()
  t.equal(await isPending(idle), true)
  threw.reject(new Error('boom'))
  t.equal(await isPending(idle), true)
  await cancelled.cancel()
  t.equal(await isPending(idle), false)
})

t.test('idle waits for deferred tasks', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(async () => setImmediate('done'))
  const idle = app.tasks.idle()
  t.equal(await isPending(idle), true)
  await app.ready()
  await idle
  t.equal(task.result, 'done')
})

t.test('idle waits for replaced tasks whose work has not ended', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const unwound = withResolvers()
  app.addTask(() => unwound.promise, { name: 'report' })
  const task = app.addTask(() => {}, { name: 'report', onDuplicate: 'replace' })
  t.equal(task.settled, true)
  const idle = app.tasks.idle()
  t.equal(await isPending(idle), true)
  unwound.resolve()
  await t.resolves(idle)
})

t.test('idle waits for tasks that are added while it waits', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const first = withResolvers()
  const second = withResolvers()
  app.addTask(() => first.promise)
  const idle = app.tasks.idle()
  app.addTask(() => second.promise)
  first.resolve()
  t.equal(await isPending(idle), true)
  second.resolve()
  await t.resolves(idle)
})

t.test('idle waits for a task that the work of another adds', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  let inner: Task | undefined
  app.addTask(async app => {
    await setImmediate()
    inner = app.addTask(() => setImmediate())
  })
  await app.tasks.idle()
  t.equal(inner?.status, 'completed')
})

t.test('idle resolves for all that await it, and again the next time', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (let round = 0; round < 2; round++) {
    const work = withResolvers()
    app.addTask(() => work.promise)
    const waiters = [app.tasks.idle(), app.tasks.idle(), app.tasks.idle()]
    t.equal(await isPending(Promise.race(waiters)), true)
    work.resolve()
    await t.resolves(Promise.all(waiters))
  }
})

t.test('a test can await idle after inject', async t => {
  const { app } = await buildApp(t)
  const sent: string[] = []
  app.post('/signup', async () => {
    app.addTask(async () => {
      await setImmediate()
      sent.push('welcome')
    })
    return 'ok'
  })
  await app.inject({ method: 'POST', url: '/signup' })
  await app.tasks.idle()
  t.same(sent, ['welcome'])
})
