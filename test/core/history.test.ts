// The history of a registry: how many tasks settled in each of the last 60 minutes.
import t, { type Test } from 'tap'
import { registryOf } from '../../lib/core/task-registry.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { stopClock } from './fixtures/stop-clock.ts'

const MINUTE = 60_000

/** An app whose clock stands until the test moves it. */
async function buildTimedApp (t: Test) {
  const clock = stopClock(t, Math.ceil(Date.now() / MINUTE) * MINUTE)
  const { app } = await buildApp(t, { onError () {} })
  await app.ready()
  /** The minutes in which tasks settled, without those in which none did. */
  const settled = () => registryOf(app.tasks).history.filter(({ completed, failed, cancelled }) => completed + failed + cancelled > 0)
  return { app, clock, settled, history: () => registryOf(app.tasks).history }
}

t.test('the history has 60 minutes, the present one last, also before a task has settled', async t => {
  const { history, clock } = await buildTimedApp(t)
  t.strictSame(history(), Array.from({ length: 60 }, (_, i) => ({ time: clock.time + (i - 59) * MINUTE, completed: 0, failed: 0, cancelled: 0 })))
  clock.time += MINUTE - 1
  t.equal(history().at(-1)!.time, clock.time - MINUTE + 1)
})

t.test('tasks are counted in the minute in which they settled', async t => {
  const { app, clock, settled } = await buildTimedApp(t)
  const { time } = clock
  app.addTask(() => {})
  const long = app.addTask(untilAborted, { name: 'long' })
  clock.time += MINUTE - 1
  app.addTask(() => {}, { name: 'named' })
  clock.time += 1
  app.addTask(() => { throw new Error('broken') })
  await long.cancel()
  t.strictSame(settled(), [
    { time, completed: 2, failed: 0, cancelled: 0 },
    { time: time + MINUTE, completed: 0, failed: 1, cancelled: 1 }
  ])
})

t.test('a task that settled an hour ago is not in the history, even if no task has settled since', async t => {
  const { app, clock, settled } = await buildTimedApp(t)
  app.addTask(() => {})
  clock.time += 59 * MINUTE
  t.equal(settled().length, 1)
  clock.time += MINUTE
  t.equal(settled().length, 0)
  app.addTask(() => {})
  t.strictSame(settled(), [{ time: clock.time, completed: 1, failed: 0, cancelled: 0 }])
})

t.test('a purged task stays in the history', async t => {
  const { app, settled } = await buildTimedApp(t)
  app.addTask(() => {}, { name: 'purged' })
  app.purgeTasks()
  t.equal(settled()[0]!.completed, 1)
})

t.test('a task that was not in tasks when it settled is not in the history', async t => {
  const { app, settled } = await buildTimedApp(t)
  app.addTask(() => {}, { register: false })
  const replaced = app.addTask(untilAborted, { name: 'replaced' })
  app.addTask(untilAborted, { name: 'replaced', onDuplicate: 'replace' })
  await replaced.finished.catch(() => {})
  t.strictSame(settled(), [])
})

t.test('a clock that is set back loses no count', async t => {
  const { app, clock, settled } = await buildTimedApp(t)
  app.addTask(() => {})
  clock.time -= 1
  app.addTask(() => {})
  clock.time += 1
  t.equal(settled()[0]!.completed, 2)
})
