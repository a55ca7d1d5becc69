// The option `maxSettledAge` of a task.
import t, { type Test } from 'tap'
import type { FastifyTasksOptions } from '../../index.ts'
import { registryOf } from '../../lib/core/task-registry.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { countKept } from './fixtures/collect-garbage.ts'
import { stopClock } from './fixtures/stop-clock.ts'

const HOUR = 3_600_000
const AGE = 500

async function buildReadyApp (t: Test, options: FastifyTasksOptions = {}) {
  const { app } = await buildApp(t, options)
  await app.ready()
  /** Adds a task that has settled. */
  const add = (name: string, maxSettledAge?: number) => app.addTask(() => name, { name, maxSettledAge })
  const names = () => Array.from(app.tasks, ({ name }) => name)
  return { app, add, names }
}

t.test('tasks without an age of their own do not push out those that have one', async t => {
  const { app, add, names } = await buildReadyApp(t, { maxSettled: 2 })
  add('import', HOUR)
  for (let i = 1; i <= 5; i++) add(`mail:${i}`)
  t.strictSame(names(), ['import', 'mail:4', 'mail:5'])
  t.equal(app.tasks.size, 3)
  t.equal(app.getTask('import').result, 'import')
  t.equal(registryOf(app.tasks).counts.completed, 3)
})

t.test('of all tasks with an age of their own, the latest are kept, up to maxSettled', async t => {
  const clock = stopClock(t)
  const { add, names } = await buildReadyApp(t, { maxSettled: 3 })
  add('mail')
  for (let i = 1; i <= 6; i++) {
    add(`import:${i}`, [HOUR, Infinity, 2 * HOUR][i % 3])
    clock.time++
  }
  t.strictSame(names(), ['mail', 'import:4', 'import:5', 'import:6'])
})

t.test('a maxSettled of 0 keeps none', async t => {
  const { add, names } = await buildReadyApp(t, { maxSettled: 0 })
  t.equal(add('import', HOUR).status, 'completed')
  t.strictSame(names(), [])
})

t.test('a task is kept for its own age, even if that is longer or shorter than maxSettledAge of the plugin', async t => {
  const clock = stopClock(t)
  const { app, add, names } = await buildReadyApp(t, { maxSettledAge: AGE })
  add('plain')
  add('short', 0)
  add('long', HOUR)
  add('brief', AGE / 2)
  add('for ever', Infinity)
  t.strictSame(names(), ['plain', 'long', 'brief', 'for ever'])
  clock.time += AGE
  t.strictSame(names(), ['long', 'for ever'])
  t.equal(app.getTask('brief', { optional: true }), undefined)
  add('late', AGE / 2)
  t.strictSame(names(), ['long', 'for ever', 'late'])
  clock.time += AGE / 2
  t.strictSame(names(), ['long', 'for ever'])
})

t.test('the age begins when the task has settled', async t => {
  const clock = stopClock(t)
  const { app } = await buildReadyApp(t)
  const task = app.addTask(untilAborted, { name: 'import', maxSettledAge: AGE })
  clock.time += AGE
  t.equal(app.getTask('import'), task)
  await task.cancel()
  t.equal(app.getTask('import'), task)
  clock.time += AGE
  t.equal(app.tasks.size, 0)
})

t.test('such tasks are purged, replaced and disposed of like all others', async t => {
  const { app, add, names } = await buildReadyApp(t)
  for (const name of ['a', 'b', 'c', 'd', 'e']) add(name, HOUR + name.charCodeAt(0) % 2)
  add('mail')
  t.equal(app.purgeTasks(({ name }) => name === 'b' || name === 'mail'), 2)
  add('c')
  await app.getTask('d')[Symbol.asyncDispose]()
  t.strictSame(names(), ['a', 'e', 'c'])
  t.equal(app.purgeTasks(), 3)
  t.equal(app.purgeTasks(), 0)
  t.equal(app.tasks.size, 0)
  t.strictSame({ ...registryOf(app.tasks).counts }, { deferred: 0, running: 0, cancelling: 0, completed: 0, failed: 0, cancelled: 0 })
})

t.test('a task that has been replaced, or has no name, is not kept', async t => {
  const { app, names } = await buildReadyApp(t)
  const replaced = app.addTask(untilAborted, { name: 'import', maxSettledAge: HOUR })
  app.addTask(untilAborted, { name: 'import', onDuplicate: 'replace' })
  app.addTask(() => {}, { maxSettledAge: HOUR })
  await replaced.finished.catch(() => {})
  t.strictSame(names(), ['import'])
  t.equal(registryOf(app.tasks).has(replaced), false)
})

t.test('a task that was dropped is collected', async t => {
  const { app } = await buildReadyApp(t, { maxSettled: 5 })
  const refs = Array.from({ length: 100 }, (_, i) => new WeakRef(app.addTask(() => {}, { name: `import:${i}`, maxSettledAge: HOUR + i })))
  const kept = await countKept(refs)
  t.ok(kept <= 6, `${kept} of 100`)
})
