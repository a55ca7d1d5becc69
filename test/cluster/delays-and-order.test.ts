import t from 'tap'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a delayed task says when it starts', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const added = await here.kind.addTask(1, { name: 'delayed', delay: 3_600_000 })
    const task = await there.kind.getTask('delayed')
    t.equal(task.status, 'deferred')
    t.equal(task.startsAt, task.createdAt + 3_600_000)
    t.equal(added.startsAt, task.startsAt)
    await task.cancel()
  })

  t.test('a delayed task starts after its delay', async t => {
    const [here, there] = await buildFleet(t, engine, () => Date.now())
    const added = await here.kind.addTask(1, { delay: 300 })
    const { startsAt } = added
    const startedAt = await added.finished
    t.ok(startedAt >= startsAt! - 5, `started ${startsAt! - startedAt} ms early`)
    t.equal((await there.kind.getTask(added.name)).startsAt, undefined, 'a task that has started tells when it did instead')
  })

  t.test('a delay of 0 is none', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    t.equal((await here.kind.addTask(1, { delay: 0 })).startsAt, undefined)
  })

  t.test('delayed tasks start in the order of their times', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, (_app, { data }) => { journal.write(data) }, { concurrency: 1, apps: 1 })
    // PostgreSQL orders by the times of the adds what is due at once, as after a pause of the machine.
    const apart = engine.name === 'local' ? 200 : 2000
    await Promise.all([3, 1, 2].map(place => here.kind.addTask(`${place}`, { delay: place * apart })))
    await here.kind.idle()
    t.strictSame(journal.lines, ['1', '2', '3'])
  })

  t.test('tasks start in the order in which they were added', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, (_app, { data }) => { journal.write(data) }, { concurrency: 1, apps: 1 })
    for (let i = 0; i < 20; i++) await here.kind.addTask(`${i}`)
    await here.kind.idle()
    t.strictSame(journal.lines, Array.from({ length: 20 }, (_, i) => `${i}`))
  })

  t.test('tasks without a priority start first, then those with the lowest number', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write(data)
      if (data === 'blocks') await gate.promise
    }, { concurrency: 1, apps: 1 })
    await here.kind.addTask('blocks')
    await journal.until('blocks')
    for (const [data, priority] of [['later', 10], ['sooner', 1], ['none', undefined], ['last', 1000], ['later, too', 10]] as const) {
      await there.kind.addTask(data, { name: data, priority })
    }
    t.strictSame((await there.kind.tasks({ status: ['deferred'] })).map(task => task.name), ['none', 'sooner', 'later', 'later, too', 'last'])
    gate.resolve()
    await here.kind.idle()
    t.strictSame(journal.lines, ['blocks', 'none', 'sooner', 'later', 'later, too', 'last'])
  })

  t.test('one process runs ten tasks of a kind at once by default', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
    }, { apps: 1 })
    await here.kind.addTasks(Array.from({ length: 15 }, (_, data) => ({ data })))
    await journal.until('started', 10)
    await here.kind.count()
    t.strictSame(await here.kind.count(), { deferred: 5, running: 10, completed: 0, failed: 0 })
    gate.resolve()
    await here.kind.idle()
    t.equal(journal.lines.length, 15)
  })

  t.test('no more tasks of a kind run at once in a process than its concurrency', async t => {
    let running = 0
    let most = 0
    const three = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      most = Math.max(most, ++running)
      if (running === 3) three.resolve()
      await three.promise
      await new Promise(resolve => setTimeout(resolve, 5))
      running--
    }, { concurrency: 3, apps: 1 })
    await here.kind.addTasks(Array.from({ length: 30 }, (_, data) => ({ data })))
    await here.kind.idle()
    t.equal(most, 3)
  })

  t.test('no more tasks of a kind run at once in the fleet than its globalConcurrency', async t => {
    let running = 0
    let most = 0
    const two = withResolvers()
    const [here, there] = await buildFleet(t, engine, async () => {
      most = Math.max(most, ++running)
      if (running === 2) two.resolve()
      await two.promise
      await new Promise(resolve => setTimeout(resolve, 5))
      running--
    }, { globalConcurrency: 2 })
    await here.kind.addTasks(Array.from({ length: 20 }, (_, data) => ({ data })))
    await there.kind.idle()
    t.equal(most, 2)
  })

  t.test('a slow kind holds up no other', async t => {
    const gate = withResolvers()
    const [slow] = await buildFleet(t, engine, () => gate.promise, { concurrency: 1, apps: 1 })
    const [fast] = await buildFleet(t, engine, () => 'fast', { concurrency: 1, apps: 1 })
    await slow.kind.addTasks([{ data: 1 }, { data: 2 }])
    t.equal(await (await fast.kind.addTask(1)).finished, 'fast')
    gate.resolve()
    await slow.kind.idle()
  })

  t.test('with a limit, the whole fleet starts no more tasks in its duration than it allows', async t => {
    const duration = 500
    const times: number[] = []
    const began = Date.now() // before any worker asks for a task: PostgreSQL counts from when the worker asked, not from when it was answered
    const [here, there] = await buildFleet(t, engine, () => { times.push(Date.now()) }, { limit: { max: 3, duration } })
    await here.kind.addTasks(Array.from({ length: 8 }, (_, data) => ({ data })))
    await there.kind.idle()
    const starts = times.map(time => time - began).sort((a, b) => a - b)
    t.equal(starts.length, 8)
    t.ok(starts[3]! >= duration && starts[6]! >= 2 * duration, `started at ${starts}`)
  })

  t.test('times may be parts of a millisecond', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { attempt }) => {
      if (attempt === 1) throw new Error('once')
      return attempt
    }, { attempts: 2, backoff: 1.5, limit: { max: 100, duration: 10.5 }, timeout: 20_000.5, maxSettledAge: 60_000.5, plugin: { stallTimeout: 5000.5, timeout: 9000.5 } })
    t.equal(await (await kind.addTask(1, { delay: 1.5 })).finished, 2)
    t.equal(await kind.purgeTasks({ status: 'completed', olderThan: 0.5 }) <= 1, true)
  })

  t.test('bad options of a task are refused', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {})
    const bad = [{ delay: -1 }, { delay: '1' }, { delay: NaN }, { delay: Infinity }, { priority: -1 }, { priority: 1.5 }, { priority: '1' }, { onDuplicate: 'ignore' }, { nmae: 'x' }, null]
    for (const options of bad as any[]) await t.rejects(kind.addTask(1, options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    t.strictSame(await kind.tasks(), [])
  })

  t.test('an option that is unknown is named, with the one that was meant', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {})
    await t.rejects(kind.addTask(1, { delya: 5 } as any), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /delya.*delay/ })
  })
})
