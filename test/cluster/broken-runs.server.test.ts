import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Job } from 'bullmq'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'
import { openQueue } from './fixtures/queues.ts'

/** The names of the tasks whose next hand-over meets a connection that breaks. */
const breaking = new Set<string>()
const { moveToWait } = Job.prototype
Job.prototype.moveToWait = async function (this: Job, ...args) {
  for (const name of breaking) {
    if (this.id!.includes(name) && breaking.delete(name)) throw Object.assign(new Error('it broke'), { code: 'ECONNRESET' })
  }
  return await moveToWait.apply(this, args)
}

onEveryServer(t, (t, engine) => {
  t.test('a task whose hand-over fails, because the connection breaks, is taken over', async t => {
    const journal = new Journal()
    const kind = `kind-${randomUUID()}`
    const options = { name: kind, plugin: { drainTimeout: 0, stallTimeout: 1000 }, apps: 1 } as const
    const work = (who: string) => async (...args: Parameters<typeof untilAborted>) => {
      journal.write(who)
      return who === 'first' ? await untilAborted(...args) : who
    }
    const [first] = await buildFleet(t, engine, work('first'), options)
    const name = randomUUID()
    await first.kind.addTask(null, { name })
    await journal.until('first')
    breaking.add(name)
    await first.app.close()
    t.equal(breaking.size, 0)
    t.strictSame(first.lines.filter(({ msg }) => msg.startsWith('tasks handed over')), [])
    const [second] = await buildFleet(t, engine, work('second'), options)
    t.equal(await (await second.kind.getTask(name)).finished, 'second')
    t.match(await second.kind.getTask(name), { status: 'completed', attempt: 1 })
  })

  t.test('jobs that are damaged, or that something else has added, fail after as many takeovers as maxStalls allows', async t => {
    const [{ kind, lines }] = await buildFleet(t, engine, () => 'ran', { maxStalls: 1, plugin: { stallTimeout: 1000 }, apps: 1 })
    const queue = await openQueue(t, engine, prefix, kind.name)
    for (const jobId of ['~damaged', 'foreign']) {
      const job = await queue.add('task', { id: 1, json: '{' }, { jobId })
      while (await job.getState() !== 'failed') await setTimeout(20)
    }
    t.match(lines.filter(({ msg }) => /is taken over/.test(msg)), [{ task: 'damaged' }])
    const next = await kind.addTask(null)
    t.equal(await next.finished, 'ran')
  })
})
