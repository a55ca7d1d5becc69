// Runs of cluster tasks, as the registry has them for fastify-tasks/cluster.
import t from 'tap'
import { Task } from '../../lib/core/task.ts'
import { registryOf } from '../../lib/core/task-registry.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { stopClock } from './fixtures/stop-clock.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('a run is not in app.tasks, does not count for maxTasks, and idle waits for it', async t => {
  stopClock(t)
  const { app } = await buildApp(t, { maxTasks: 1 })
  await app.ready()
  const run = registryOf(app.tasks).addRun(app, untilAborted, { name: 'run', kind: 'report' })
  t.match(run, { name: 'run', kind: 'report', status: 'running' })
  t.equal(app.tasks.size, 0)
  t.equal(app.getTask('run', { optional: true }), undefined)
  await app.addTask(async () => {}, { name: 'run' }).finished
  let isIdle = false
  const idle = app.tasks.idle().then(() => { isIdle = true })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(isIdle, false)
  Task.abort(run, new Error('enough'))
  await idle
  t.strictSame(registryOf(app.tasks).history.at(-1)!.completed, 1, 'of the task, not of the run')
})

t.test('close cancels runs and waits for them', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const run = registryOf(app.tasks).addRun(app, untilAborted, {})
  await app.close()
  t.equal(run.status, 'cancelled')
})

t.test('neither close nor idle waits for a run that was forgotten', async t => {
  const { app, lines } = await buildApp(t, { cancelTimeout: Infinity })
  await app.ready()
  const run = registryOf(app.tasks).addRun(app, deaf, {})
  const idle = app.tasks.idle()
  registryOf(app.tasks).forgetRun(run)
  await idle
  await app.close()
  t.equal(run.status, 'running')
  t.strictSame(lines.filter(({ level }) => level >= 40), [])
})

t.test('no run is added once the app has closed', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  await app.close()
  t.throws(() => registryOf(app.tasks).addRun(app, untilAborted, { name: 'late' }), { code: 'FST_ERR_TASK_CLOSED' })
})

t.test('onPurged is not called for a run that was forgotten and ends later', async t => {
  const purged: unknown[] = []
  const { app } = await buildApp(t, { onPurged: ({ name }) => { purged.push(name) } })
  await app.ready()
  const gate = withResolvers()
  const run = registryOf(app.tasks).addRun(app, () => gate.promise, { name: 'run' })
  registryOf(app.tasks).forgetRun(run)
  gate.resolve()
  await run.finished
  app.addTask(() => {})
  await app.tasks.idle()
  t.strictSame(purged, [undefined])
})
