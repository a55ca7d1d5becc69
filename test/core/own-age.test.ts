// The option `maxSettledAge` of a task.
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { FastifyTasksOptions } from '../../index.ts'
import { registryOf } from '../../lib/core/task-registry.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { countKept } from './fixtures/collect-garbage.ts'

const HOUR = 3_600_000
/** Long enough that a machine with other work looks at a task before it is that old. */
const AGE = 500

async function buildReadyApp (t: Test, options: FastifyTasksOptions = {}) {
  const { app } = await buildApp(t, options)
  await app.ready()
  /** Adds a task that has settled. */
  const add = (name: string, maxSettledAge?: number) => app.addTask(() => name, { name, maxSettledAge })
  const names = () => Array.from(app.tasks, ({ name }) => name)
  return { app, add, names }
}

/** Waits until a time has come by the clock that tasks are timed by. */
async function until (time: number) {
  while (Date.now() < time) await sleep(1)
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
  const { add, names } = await buildReadyApp(t, { maxSettled: 3 })
  add('mail')
  for (let i = 1; i <= 6; i++) {
    await until(add(`import:${i}`, [HOUR, Infinity, 2 * HOUR][i % 3]).settledAt! + 1)
  }
  t.strictSame(names(), ['mail', 'import:4', 'import:5', 'import:6'])
})

t.test('a maxSettled of 0 keeps none', async t => {
  const { add, names } = await buildReadyApp(t, { maxSettled: 0 })
  t.equal(add('import', HOUR).status, 'completed')
  t.strictSame(names(), [])
})

t.test('a task is kept for its own age, even if that is longer or shorter than maxSettledAge of the plugin', async t => {
  const { app, add, names } = await buildReadyApp(t, { maxSettledAge: AGE })
  const first = add('plain')
  add('short', 0)
  add('long', HOUR)
  const brief = add('brief', AGE / 2)
  add('for ever', Infinity)
  t.strictSame(names(), ['plain', 'long', 'brief', 'for ever'])
  await until(Math.max(first.settledAt!, brief.settledAt!) + AGE)
  t.strictSame(names(), ['long', 'for ever'])
  t.equal(app.getTask('brief', { optional: true }), undefined)
  add('late', AGE / 2)
  await until(app.getTask('late').settledAt! + AGE / 2)
  t.strictSame(names(), ['long', 'for ever'])
})

t.test('the age begins when the task has settled', async t => {
  const { app } = await buildReadyApp(t)
  const task = app.addTask(untilAborted, { name: 'import', maxSettledAge: AGE })
  await until(task.createdAt + AGE)
  t.equal(app.getTask('import'), task)
  await task.cancel()
  t.equal(app.getTask('import'), task)
  await until(task.settledAt! + AGE)
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
  app.addTask(deaf, { name: 'import', onDuplicate: 'replace' })
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
