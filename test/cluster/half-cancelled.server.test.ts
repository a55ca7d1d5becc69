import t, { type Test } from 'tap'
import { encodeName, jobIdOf } from '../../lib/cluster/bullmq/ids.ts'
import { pack } from '../../lib/cluster/bullmq/packed.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer, type Engine } from './fixtures/engines.ts'
import { buildFleet, prefix, untilStatus, type Member } from './fixtures/fleet.ts'
import { openQueue } from './fixtures/queues.ts'

/** Does what a process does before it is killed while it cancels a waiting task: after it has read the task, or has seen it wait. */
async function halfCancel (t: Test, engine: Engine, { kind }: Member, task: string) {
  const queue = await openQueue(t, engine, prefix, encodeName(kind.name))
  const job = (await queue.getJob(jobIdOf(task)))!
  const { attempt, startedAt } = await kind.getTask(task)
  const cancelled = { error: pack({ name: 'AbortError', message: 'half cancelled' }), at: Date.now(), attempt, startedAt, worker: undefined, starts: job.attemptsStarted, settled: false }
  return async () => await job.updateData({ ...job.data, cancelled })
}

onEveryServer(t, (t, engine) => {
  /** A task that runs by the time that its mark is written. */
  async function addAndHalfCancel (t: Test, here: Member) {
    await here.kind.pause()
    const task = await here.kind.addTask('half', { name: 'half' })
    const mark = await halfCancel(t, engine, here, 'half')
    await here.kind.resume()
    await untilStatus(here.kind, 'half', 'running')
    await mark()
    return task
  }

  t.test('a process that dies while it cancels a task that waits loses nothing: the worker that takes the task ends it without a run', async t => {
    const runs: unknown[] = []
    const [here] = await buildFleet(t, engine, (_app, { data }) => { runs.push(data) })
    await here.kind.pause()
    const task = await here.kind.addTask('half', { name: 'half' })
    const mark = await halfCancel(t, engine, here, 'half')
    await mark()
    t.equal((await here.kind.getTask('half')).status, 'deferred', 'nobody was told that it is cancelled')
    await here.kind.resume()
    await t.rejects(task.finished, { name: 'AbortError', message: 'half cancelled' })
    t.match(await task.refresh(), { status: 'cancelled', settled: true, startedAt: undefined, attempt: 0 })
    t.strictSame(runs, [])
  })

  t.test('the next cancellation of such a task settles it', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTask('half', { name: 'half', delay: 60_000 })
    const mark = await halfCancel(t, engine, here, 'half')
    await mark()
    await there.kind.cancelTask('half', { reason: 'once more' })
    t.match(await here.kind.getTask('half'), { status: 'cancelled', error: { message: 'once more' } })
  })

  t.test('a task that was taken before it was marked runs on, and its own end counts', async t => {
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      await gate.promise
      return 'done'
    })
    const task = await addAndHalfCancel(t, here)
    t.equal((await here.kind.getTask('half')).status, 'cancelling')
    gate.resolve()
    t.equal(await task.finished, 'done')
    t.match(await here.kind.getTask('half'), { status: 'completed', result: 'done' })
  })

  t.test('a task that had run before, and is then ended without a run, keeps its startedAt', async t => {
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      await gate.promise
      throw new Error('as told')
    }, { attempts: 2 })
    const task = await addAndHalfCancel(t, here)
    gate.resolve()
    await t.rejects(task.finished, { message: 'half cancelled' })
    t.match(await here.kind.getTask('half'), { status: 'cancelled', startedAt: Number })
  })
})
