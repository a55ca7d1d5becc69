import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Cancellations } from '../../lib/cluster/bullmq/cancellations.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, untilStatus, type FleetOptions } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

/** What happens before the mark of a task is stored. */
const before = new Map<string, () => Promise<unknown>>()
const { mark } = Cancellations.prototype
Cancellations.prototype.mark = async function (queue, task, error) {
  await before.get(task.name)?.()
  before.delete(task.name)
  await mark.call(this, queue, task, error)
}

/** What the reads of a task's mark wait for. */
const slow = new Map<string, () => Promise<unknown>>()
const { markOf } = Cancellations.prototype
Cancellations.prototype.markOf = async function (queue, task) {
  await slow.get(task.name)?.()
  return await markOf.call(this, queue, task)
}

onEveryServer(t, (t, engine) => {
  /** The first task of a schedule, which a worker takes after it was seen waiting and before it is marked as cancelled. */
  async function buildRace (t: Test, work: (...args: Parameters<typeof untilAborted>) => Promise<unknown>, options: FleetOptions = {}) {
    const journal = new Journal()
    const isFirst = ({ name }: { name: string }) => name === next!.name
    const [{ kind }] = await buildFleet(t, engine, async (app, task) => isFirst(task) ? await work(app, task) : undefined, {
      onSettled: (_app, task) => { if (isFirst(task)) journal.write(task.status) },
      apps: 1,
      ...options
    })
    await kind.pause()
    const schedule = randomUUID()
    await kind.scheduleTask(schedule, { every: 500 })
    const [next] = await kind.tasks({ status: 'deferred' })
    before.set(next!.name, async () => {
      await kind.resume()
      await untilStatus(kind, next!.name, 'running')
      await kind.unscheduleTask(schedule)
    })
    return { kind, task: next!, journal }
  }

  for (const verb of ['cancelTask', 'cancelTasks'] as const) {
    t.test(`${verb}: a task of a schedule that was taken before it was marked is cancelled as one that runs`, async t => {
      const { kind, task, journal } = await buildRace(t, untilAborted)
      const { name } = task
      if (verb === 'cancelTask') await kind.cancelTask(name, { reason: 'not wanted' })
      else t.equal(await kind.cancelTasks({ status: 'deferred', limit: 1, reason: 'not wanted' }), 1)
      t.match(await kind.getTask(name), { status: 'cancelled', attempt: 1, error: { message: 'not wanted' } })
      await kind.idle()
      t.strictSame(journal.lines, ['cancelled'])
    })
  }

  t.test('a task of a schedule that completes before it is marked has completed', async t => {
    const gate = withResolvers()
    const { kind, task, journal } = await buildRace(t, async () => await gate.promise, { maxSettled: 0 })
    const takenFirst = before.get(task.name)!
    before.set(task.name, async () => {
      await takenFirst()
      gate.resolve()
      await task.finished
    })
    await task.cancel()
    t.equal(task.status, 'completed')
    await kind.idle()
    t.strictSame(journal.lines, ['completed'])
  })

  t.test('a process reads the marks of its runs one after the other, however slowly the server answers', async t => {
    const [{ kind }] = await buildFleet(t, engine, untilAborted, { apps: 1, plugin: { stallTimeout: 6000 } })
    const answer = withResolvers()
    const began = withResolvers()
    let reads = 0
    const names = Array.from({ length: 3 }, () => randomUUID())
    for (const name of names) {
      slow.set(name, async () => {
        reads++
        began.resolve()
        await answer.promise
      })
    }
    await kind.addTasks(names.map(name => ({ name })))
    await began.promise
    await setTimeout(9600) // the time of three more polls
    t.equal(reads, 1)
    answer.resolve()
    t.equal(await kind.cancelTasks(), 3)
  })
})
