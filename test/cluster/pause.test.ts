import t from 'tap'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a paused kind starts nothing, in any app, until it is resumed', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => { journal.write(`started ${data}`) })
    t.equal(await there.kind.isPaused(), false)
    await here.kind.pause()
    t.equal(await there.kind.isPaused(), true)
    const tasks = await Promise.all([here.kind.addTask(1), there.kind.addTask(2)])
    t.strictSame(await there.kind.count(), { deferred: 2, running: 0, completed: 0, failed: 0 })
    t.strictSame((await there.kind.tasks()).map(task => task.status), ['deferred', 'deferred'])
    t.strictSame(journal.lines, [])
    await there.kind.resume()
    t.equal(await here.kind.isPaused(), false)
    await Promise.all(tasks.map(task => task.finished))
    t.equal(journal.lines.length, 2)
  })

  t.test('a pause lets running tasks finish', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
      return 'result'
    })
    const task = await here.kind.addTask(1)
    await journal.until('started')
    await there.kind.pause()
    gate.resolve()
    t.equal(await task.finished, 'result')
    await here.kind.resume()
  })

  t.test('a paused kind pauses no other', async t => {
    const [one] = await buildFleet(t, engine, () => 'one')
    const [two] = await buildFleet(t, engine, () => 'two')
    await one.kind.pause()
    t.equal(await (await two.kind.addTask(1)).finished, 'two')
    await one.kind.resume()
  })

  t.test('pause and resume may be called again', async t => {
    const [here, there] = await buildFleet(t, engine, () => 'ran')
    await here.kind.resume()
    await here.kind.pause()
    await there.kind.pause()
    const task = await here.kind.addTask(1)
    await there.kind.resume()
    await here.kind.resume()
    t.equal(await task.finished, 'ran')
  })

  t.test('idle resolves at once when no task is unsettled', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.idle()
    await (await here.kind.addTask(1)).finished
    t.equal(await there.kind.idle(), undefined)
  })

  t.test('idle resolves when the last task has settled', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      await gate.promise
      if (data % 2 === 0) throw new Error('as told')
    }, { concurrency: 2 })
    await here.kind.addTasks(Array.from({ length: 10 }, (_, data) => ({ data })))
    const delayed = await here.kind.addTask(11, { delay: 50 })
    let idle = false
    const both = Promise.all([here.kind.idle(), there.kind.idle()]).then(() => { idle = true })
    await here.kind.count()
    t.equal(idle, false)
    gate.resolve()
    await both
    t.strictSame(await there.kind.count(), { deferred: 0, running: 0, completed: 6, failed: 5 })
    t.equal((await here.kind.getTask(delayed.name)).settled, true)
  })

  t.test('idle waits for tasks that are paused', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.pause()
    await here.kind.addTask(1)
    let idle = false
    const waiting = there.kind.idle().then(() => { idle = true })
    await here.kind.count()
    t.equal(idle, false)
    await here.kind.resume()
    await waiting
  })

  t.test('idle does not wait for a task that was cancelled before its start', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1)
    const waiting = there.kind.idle()
    await task.cancel()
    await waiting
  })
})
