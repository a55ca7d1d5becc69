import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FastifyTasksOptions } from '../../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { countKept } from './fixtures/collect-garbage.ts'
import { stopClock } from './fixtures/stop-clock.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

const AGE = 500

async function buildReadyApp (t: Test, options: FastifyTasksOptions) {
  const { app } = await buildApp(t, options)
  await app.ready()
  return app
}

for (const [how, look] of Object.entries<(app: Awaited<ReturnType<typeof buildReadyApp>>) => unknown>({
  getTask: app => app.getTask('old', { optional: true }),
  'the size of tasks': app => app.tasks.size || undefined,
  'an iteration': app => [...app.tasks][0],
  'the JSON of tasks': app => app.tasks.toJSON()[0],
  purgeTasks: app => app.purgeTasks() || undefined,
  'purgeTasks(which)': app => app.purgeTasks(() => true) || undefined,
  'a cancelTask of what may be missing': app => {
    let found: unknown
    app.cancelTask('old', { optional: true }).finally(() => { found = app.getTask('old', { optional: true }) })
    return found
  }
})) {
  t.test(`${how} does not find a task that has expired`, async t => {
    const clock = stopClock(t)
    const app = await buildReadyApp(t, { maxSettledAge: AGE })
    const task = app.addTask(() => 'done', { name: 'old' })
    t.equal(app.getTask('old'), task)
    clock.time += AGE
    t.equal(look(app), undefined)
    t.throws(() => app.getTask('old'), { code: 'FST_ERR_TASK_NOT_FOUND' })
    await t.rejects(app.cancelTask('old'), { code: 'FST_ERR_TASK_NOT_FOUND' })
    t.match(task, { status: 'completed', result: 'done' }, 'who holds the task has all of it')
  })
}

t.test('the age counts from when a task settled, not from when it was added', async t => {
  const clock = stopClock(t)
  const app = await buildReadyApp(t, { maxSettledAge: AGE })
  const work = withResolvers()
  const task = app.addTask(() => work.promise, { name: 'long' })
  clock.time += AGE
  t.equal(app.getTask('long').status, 'running', 'what has not settled has no age')
  work.resolve()
  await task.finished
  t.equal(app.getTask('long').status, 'completed')
  clock.time += AGE
  t.equal(app.getTask('long', { optional: true }), undefined)
})

t.test('tasks that have not expired stay', async t => {
  const clock = stopClock(t)
  const app = await buildReadyApp(t, { maxSettledAge: AGE })
  app.addTask(() => {}, { name: 'old' })
  const running = app.addTask(untilAborted, { name: 'running' })
  clock.time += AGE
  const young = app.addTask(() => {}, { name: 'young' })
  t.strictSame([...app.tasks], [running, young])
  t.equal(app.tasks.size, 2)
  t.equal(app.purgeTasks(), 1)
})

t.test('the name of an expired task is free', async t => {
  const clock = stopClock(t)
  const app = await buildReadyApp(t, { maxSettledAge: AGE })
  const first = app.addTask(() => {}, { name: 'name' })
  clock.time += AGE
  const second = app.addTask(untilAborted, { name: 'name', onDuplicate: 'keep' })
  t.not(second, first)
  t.equal(app.getTask('name'), second)
  t.equal(app.tasks.size, 1)
})

t.test('expired tasks are dropped as others settle, though nobody reads app.tasks', async t => {
  const clock = stopClock(t)
  const app = await buildReadyApp(t, { maxSettledAge: AGE })
  const refs: WeakRef<object>[] = []
  for (let i = 0; i < 10; i++) refs.push(new WeakRef(app.addTask(() => {}, { name: `old ${i}` })))
  clock.time += AGE
  await app.addTask(() => immediate()).finished
  const kept = await countKept(refs)
  t.ok(kept <= 1, `${kept} of 10 kept, of which the last may still be in a register`)
})

t.test('with a maxSettledAge of 0 a task is gone once it has settled', async t => {
  const app = await buildReadyApp(t, { maxSettledAge: 0 })
  const work = withResolvers<string>()
  const task = app.addTask(() => work.promise, { name: 'brief' })
  t.equal(app.getTask('brief'), task)
  work.resolve('done')
  t.equal(await task.finished, 'done')
  t.equal(app.getTask('brief', { optional: true }), undefined)
  t.equal(app.tasks.size, 0)
  app.addTask(() => {}, { name: 'sync' })
  t.strictSame([...app.tasks], [])
  t.equal(app.purgeTasks(), 0)
})

t.test('with a maxSettledAge of Infinity, the default, a task is kept', async t => {
  const clock = stopClock(t)
  for (const options of [{}, { maxSettledAge: Infinity }]) {
    const app = await buildReadyApp(t, options)
    const task = app.addTask(() => {}, { name: 'old' })
    clock.time += AGE
    t.equal(app.getTask('old'), task)
  }
})

t.test('maxSettled and maxSettledAge both limit what is kept', async t => {
  const clock = stopClock(t)
  const app = await buildReadyApp(t, { maxSettled: 2, maxSettledAge: AGE })
  for (const name of ['a', 'b', 'c']) app.addTask(() => {}, { name })
  t.strictSame([...app.tasks].map(({ name }) => name), ['b', 'c'])
  clock.time += AGE
  t.equal(app.tasks.size, 0)
})

t.test('with a maxSettledAge of 0 a failed task is dropped before onError is called with it', async t => {
  let reported: unknown[] = []
  const app = await buildReadyApp(t, { maxSettledAge: 0, onError: (error, task) => { reported = [error, task.status, app.tasks.size] } })
  app.addTask(() => { throw 'broken' }, { name: 'brief' }) // eslint-disable-line no-throw-literal
  t.strictSame(reported, ['broken', 'failed', 0])
})

t.test('maxSettledAge does not keep the process alive', async t => {
  const app = await buildReadyApp(t, { maxSettledAge: 60_000 })
  const before = process.getActiveResourcesInfo().filter(type => type === 'Timeout').length
  app.addTask(() => {}, { name: 'old' })
  t.equal(process.getActiveResourcesInfo().filter(type => type === 'Timeout').length, before)
})

for (const maxSettledAge of [undefined, 60_000]) {
  t.test(`a task settles once if its error has a getter that cancels it: maxSettledAge ${maxSettledAge}`, async t => {
    const purged: number[] = []
    const { app } = await buildApp(t, { onPurged: ({ id }) => { purged.push(id) } })
    await app.ready()
    const gate = withResolvers<never>()
    const task = app.addTask(gate.promise, { name: 'a', maxSettledAge })
    gate.reject({ message: 'broken', get stack () { task.cancel(); return '' } })
    await t.rejects(task.finished, { name: 'AbortError' })
    t.strictSame([task.status, app.tasks.size], ['cancelled', 1])
    t.strictSame([app.purgeTasks(), app.tasks.size], [1, 0])
    await app.tasks.idle()
    t.strictSame(purged, [task.id])
  })

  t.test(`a getter of the last progress can add a task of the same name: maxSettledAge ${maxSettledAge}`, async t => {
    const purged: number[] = []
    const { app } = await buildApp(t, { onPurged: ({ id }) => { purged.push(id) } })
    await app.ready()
    const task = app.addTask(new Promise(() => {}), { name: 'a', maxSettledAge })
    task.progress = {
      get done () {
        if (task.settled && app.getTask('a') === task) app.addTask(() => {}, { name: 'a', maxSettledAge })
        return 1
      }
    }
    const watch = task.watch()
    await watch.next()
    const last = watch.next()
    await task.cancel()
    t.match(await last, { value: { status: 'cancelled' } })
    await app.tasks.idle()
    t.strictSame(purged, [task.id])
    t.strictSame(Array.from(app.tasks, ({ id, status }) => [id, status]), [[2, 'completed']])
    t.equal(app.tasks.size, 1)
  })
}
