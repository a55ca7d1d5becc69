import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { Job } from 'bullmq'
import { Redis } from 'ioredis'
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
    const options = { name: kind, plugin: { drainTimeout: 0, stallTimeout: 4000 }, apps: 1 } as const
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
    t.notOk(breaking.has(name))
    t.strictSame(first.lines.filter(({ msg }) => msg.startsWith('tasks handed over')), [])
    const [second] = await buildFleet(t, engine, work('second'), options)
    t.equal(await (await second.kind.getTask(name)).finished, 'second')
    t.match(await second.kind.getTask(name), { status: 'completed', attempt: 1 })
  })

  t.test('jobs that are damaged, or that something else has added, fail after as many takeovers as maxStalls allows', async t => {
    const [{ kind, lines }] = await buildFleet(t, engine, () => 'ran', { maxStalls: 1, plugin: { stallTimeout: 3000 }, apps: 1 })
    const queue = await openQueue(t, engine, prefix, kind.name)
    for (const jobId of ['~damaged', 'foreign']) {
      const job = await queue.add('task', { id: 1, json: '{' }, { jobId })
      while (await job.getState() !== 'failed') await setTimeout(20)
    }
    t.match(lines.filter(({ msg }) => /is taken over/.test(msg)), [{ task: 'damaged' }])
    const next = await kind.addTask(null)
    t.equal(await next.finished, 'ran')
  })

  t.test('jobs that something else has added are not in the lists, and no page misses a task because of them', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => 'ran', { plugin: { work: false }, apps: 1 })
    const queue = await openQueue(t, engine, prefix, kind.name)
    for (let i = 0; i < 6; i++) {
      await kind.addTask(null, { name: `task ${i}` })
      await queue.add('task', {}, i % 2 === 0 ? {} : { jobId: `foreign ${i}` })
    }
    const names = Array.from({ length: 6 }, (_, i) => `task ${i}`)
    const listed = await kind.tasks()
    t.strictSame(listed.map(({ name }) => name).sort(), names)
    const pages: string[] = []
    for (let offset = 0; offset < 6; offset += 2) pages.push(...(await kind.tasks({ offset, limit: 2 })).map(({ name }) => name))
    t.strictSame(pages.sort(), names)
    t.strictSame((await kind.tasks({ name: 'task 3' })).map(({ name }) => name), ['task 3'])
  })

  if (engine.name === 'redis') {
    t.test('a task whose place in the queue is lost can be read, cancelled and added again', async t => {
      const [{ kind }] = await buildFleet(t, engine, (_app, { attempt }) => {
        if (attempt === 1) throw new Error('first')
        return 'ran'
      }, { attempts: 2, backoff: { type: 'fixed', delay: 60_000 }, apps: 1 })
      const task = await kind.addTask(null, { name: 'lost' })
      for await (const { status, attempt } of task.watch()) if (status === 'deferred' && attempt === 1) break
      const client = new Redis(engine.connection!)
      await client.del(`${prefix}:${kind.name}:delayed`)
      client.disconnect()
      t.match(await kind.getTask('lost'), { status: 'deferred', attempt: 1 })
      await kind.cancelTask('lost')
      t.match(await kind.getTask('lost'), { status: 'cancelled', settled: true })
      const again = await kind.addTask(null, { name: 'lost' })
      await again.cancel()
    })
  }
})
