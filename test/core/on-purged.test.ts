import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import cluster from '../../lib/cluster/index.ts'
import type { FastifyTasksOptions, Task } from '../../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { stopClock } from './fixtures/stop-clock.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

/** An app that writes down which tasks it has purged. */
async function buildPurging (t: Test, options: FastifyTasksOptions = {}) {
  const purged: (string | number)[] = []
  const { app, lines } = await buildApp(t, { onPurged (task) { purged.push(task.name ?? task.id) }, ...options })
  await app.ready()
  /** What was purged since the last call. */
  const news = async () => {
    await app.tasks.idle()
    return purged.splice(0)
  }
  return { app, lines, purged, news }
}

t.test('onPurged is called once for each task that purgeTasks drops', async t => {
  const { app, purged, news } = await buildPurging(t)
  for (const name of ['a', 'b', 'c']) app.addTask(() => {}, { name })
  t.strictSame(await news(), [], 'not while they are kept')
  app.purgeTasks(({ name }) => name === 'b')
  t.strictSame(purged, [], 'not within the call')
  t.strictSame(await news(), ['b'])
  app.purgeTasks()
  t.strictSame(await news(), ['a', 'c'])
})

t.test('it is called for tasks that are dropped by retention', async t => {
  const clock = stopClock(t)
  const { app, news } = await buildPurging(t, { maxSettled: 1, maxSettledAge: 100 })
  app.addTask(() => {}, { name: 'a' })
  app.addTask(() => {}, { name: 'b' })
  t.strictSame(await news(), ['a'])
  clock.time += 100
  while (app.tasks.size > 0) await sleep(1)
  t.strictSame(await news(), ['b'])
})

t.test('it is called for a settled task whose name is taken, and for one that is disposed of', async t => {
  const { app, news } = await buildPurging(t)
  const first = app.addTask(() => {}, { name: 'report' })
  const second = app.addTask(() => {}, { name: 'report' })
  t.not(first, second)
  t.strictSame(await news(), ['report'])
  await second[Symbol.asyncDispose]()
  t.strictSame(await news(), ['report'])
  await second[Symbol.asyncDispose]()
  app.purgeTasks()
  t.strictSame(await news(), [], 'once')
})

t.test('it is called for tasks that are never kept, once they have settled and were reported', async t => {
  const order: string[] = []
  const { app, news } = await buildPurging(t, {
    onError: (_error, task) => { order.push(`error ${task.name}`) },
    onPurged: task => { order.push(`purged ${task.name} ${task.status}`) }
  })
  const replaced = app.addTask(untilAborted, { name: 'replaced' })
  app.addTask(untilAborted, { name: 'replaced', onDuplicate: 'replace' })
  app.addTask(() => { throw new Error('failed') }, { register: false, name: 'failed' })
  app.addTask(() => {})
  await replaced.finished.catch(() => {})
  await app.getTask('replaced').cancel()
  await news()
  t.strictSame(order, ['error failed', 'purged failed failed', 'purged undefined completed', 'purged replaced cancelled'])
})

t.test('it gets the task with all that belongs to it', async t => {
  let purged: Task<unknown, any> | undefined
  const { app, news } = await buildPurging(t, { onPurged (task) { purged = task } })
  const task = app.addTask(() => 'the report', { name: 'report', data: { file: '/tmp/report' } })
  app.purgeTasks()
  await news()
  t.equal(purged, task)
  t.match(purged, { result: 'the report', data: { file: '/tmp/report' } })
})

for (const [how, onPurged] of Object.entries<() => void | Promise<void>>({
  throws: () => { throw new Error('disk gone') },
  rejects: async () => { throw new Error('disk gone') }
})) {
  t.test(`what it ${how} is logged, and never thrown`, async t => {
    const { app, lines } = await buildPurging(t, { onPurged })
    app.addTask(() => {}, { name: 'report' })
    t.equal(app.purgeTasks(), 1)
    await app.tasks.idle()
    t.match(lines.filter(({ level }) => level > 30), [{ level: 50, task: 'report', msg: 'onPurged of a task threw', err: { message: 'disk gone' } }])
  })
}

t.test('idle and close wait for its promise', async t => {
  const gate = withResolvers<void>()
  const { app } = await buildPurging(t, { onPurged: () => gate.promise, cancelTimeout: Infinity })
  app.addTask(() => {}, { name: 'report' })
  app.purgeTasks()
  const order: string[] = []
  const ends = [app.tasks.idle().then(() => order.push('idle')), app.close().then(() => order.push('closed'))]
  order.push('open')
  gate.resolve()
  await Promise.all(ends)
  t.strictSame(order, ['open', 'idle', 'closed'])
})

t.test('close names a task whose onPurged does not end', async t => {
  const { app, lines } = await buildPurging(t, { onPurged: () => new Promise(() => {}), cancelTimeout: 20 })
  app.addTask(() => {}, { name: 'report' })
  app.purgeTasks()
  await app.close()
  t.match(lines.filter(({ level }) => level === 40), [{ tasks: ['report'], msg: /^tasks have not stopped/ }])
})

t.test('it may add and purge tasks', async t => {
  let left = 3
  const { app } = await buildPurging(t, {
    onPurged () {
      if (left-- === 0) return
      app.addTask(() => {}, { name: 'again' })
      app.purgeTasks()
    }
  })
  app.addTask(() => {}, { name: 'again' })
  app.purgeTasks()
  await app.tasks.idle()
  t.equal(left, -1)
  t.equal(app.tasks.size, 0)
})

t.test('the tasks that are kept when the app closes are not purged', async t => {
  const { app, purged } = await buildPurging(t)
  app.addTask(() => {}, { name: 'kept' })
  app.addTask(untilAborted, { name: 'cancelled' })
  await app.close()
  t.strictSame(purged, [])
})

t.test('the runs of a fleet are not purged', async t => {
  const purged: unknown[] = []
  const { app } = await buildApp(t, { onPurged: task => { purged.push(task.name) } })
  await app.register(cluster)
  const kind = app.cluster.defineTask('import', () => 'done')
  await app.ready()
  const task = await kind.addTask(1)
  t.equal(await task.finished, 'done')
  await app.tasks.idle()
  t.strictSame(purged, [])
})
