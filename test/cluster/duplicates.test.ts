import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  const duplicate = { code: 'FST_ERR_TASK_DUPLICATE_NAME', statusCode: 409, message: /"taken"/ }

  t.test('the name of a task that waits is taken, in every app', async t => {
    const [here, there] = await buildFleet(t, engine, untilAborted, { plugin: { work: false } })
    const task = await here.kind.addTask(1, { name: 'taken' })
    t.equal(task.status, 'deferred')
    await t.rejects(here.kind.addTask(2, { name: 'taken' }), duplicate)
    await t.rejects(there.kind.addTask(2, { name: 'taken', onDuplicate: 'reject' }), duplicate)
    t.equal((await there.kind.getTask('taken')).data, 1)
  })

  t.test('the name of a task that runs is taken', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    })
    const task = await here.kind.addTask(1, { name: 'taken' })
    await journal.until('started')
    await t.rejects(there.kind.addTask(2, { name: 'taken' }), duplicate)
    await task.cancel()
  })

  t.test('the name of a delayed task is taken', async t => {
    const [here, there] = await buildFleet(t, engine, untilAborted)
    await here.kind.addTask(1, { name: 'taken', delay: 60_000 })
    await t.rejects(there.kind.addTask(2, { name: 'taken' }), duplicate)
  })

  t.test('the name of a settled task is free, however it ended', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => {
      if (data === 'fail') throw new Error('as told')
      return data
    })
    await (await here.kind.addTask('completed', { name: 'free' })).finished
    const failing = await there.kind.addTask('fail', { name: 'free' })
    await t.rejects(failing.finished, { message: 'as told' })
    const delayed = await here.kind.addTask('cancelled', { name: 'free', delay: 60_000 })
    await delayed.cancel()
    const last = await there.kind.addTask('last', { name: 'free' })
    t.equal(await last.finished, 'last')
    t.equal((await here.kind.getTask('free')).data, 'last')
    t.equal((await here.kind.tasks()).length, 1)
  })

  t.test('a task with the name of a settled one begins anew', async t => {
    const seen: unknown[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      seen.push(task.progress, task.attempt)
      task.progress = 'half'
      return task.data
    })
    await (await here.kind.addTask(1, { name: 'again' })).finished
    await (await there.kind.addTask(2, { name: 'again' })).finished
    t.strictSame(seen, [undefined, 1, undefined, 1])
  })

  t.test('with keep, addTask resolves to the unsettled task, and the other work never runs', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write(`started ${data}`)
      await gate.promise
      return data
    })
    const first = await here.kind.addTask('first', { name: 'kept' })
    await journal.until('started first')
    const second = await there.kind.addTask('second', { name: 'kept', onDuplicate: 'keep' })
    t.equal(second.data, 'first')
    t.equal(second.createdAt, first.createdAt)
    gate.resolve()
    t.equal(await second.finished, 'first')
    t.strictSame(journal.lines, ['started first'])
  })

  t.test('with keep, a settled task is replaced', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => data)
    await (await here.kind.addTask('first', { name: 'kept' })).finished
    const second = await there.kind.addTask('second', { name: 'kept', onDuplicate: 'keep' })
    t.equal(await second.finished, 'second')
  })

  t.test('with replace, the old task is cancelled and its clean-up done before the new task is added', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (_app, { data, signal }) => {
      journal.write(`started ${data}`)
      if (data === 'second') return data
      try {
        await untilAborted(_app, { signal })
      } finally {
        await new Promise(resolve => setTimeout(resolve, 20))
        journal.write('cleaned up')
      }
    })
    const first = await here.kind.addTask('first', { name: 'replaced' })
    const { finished } = first
    await journal.until('started first')
    const second = await there.kind.addTask('second', { name: 'replaced', onDuplicate: 'replace' })
    await t.rejects(finished, { name: 'AbortError' })
    t.equal(await second.finished, 'second')
    t.strictSame(journal.lines, ['started first', 'cleaned up', 'started second'])
    t.equal((await here.kind.tasks()).length, 1)
  })

  t.test('with replace, an old task that waits never runs', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write(`started ${data}`)
      if (data === 'blocks') await gate.promise
      return data
    }, { concurrency: 1, apps: 1 })
    await here.kind.addTask('blocks')
    await journal.until('started blocks')
    const first = await here.kind.addTask('first', { name: 'replaced' })
    const { finished } = first
    const second = await there.kind.addTask('second', { name: 'replaced', onDuplicate: 'replace' })
    gate.resolve()
    t.equal(await second.finished, 'second')
    await t.rejects(finished, { name: 'AbortError' })
    t.strictSame(journal.lines, ['started blocks', 'started second'])
  })

  t.test('with replace, an old task that does not stop keeps its name', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {
      journal.write('started')
      return deaf()
    }, { plugin: { cancelTimeout: 200, drainTimeout: 0 } })
    await here.kind.addTask('deaf', { name: 'replaced' })
    await journal.until('started')
    const began = Date.now()
    await t.rejects(there.kind.addTask('second', { name: 'replaced', onDuplicate: 'replace' }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', statusCode: 504 })
    t.ok(Date.now() - began >= 195, 'it waited for cancelTimeout')
    const holder = await there.kind.getTask('replaced')
    t.equal(holder.data, 'deaf')
    t.equal(holder.status, 'cancelling')
    t.equal(journal.lines.length, 1)
  })

  t.test('with replace and no time to wait, an old task that runs is cancelled and keeps its name', async t => {
    const started = withResolvers() // the server says that a task runs before its process has begun
    const [here] = await buildFleet(t, engine, () => {
      started.resolve()
      return deaf()
    }, { plugin: { cancelTimeout: 0, drainTimeout: 0 } })
    await here.kind.addTask(1, { name: 'taken' })
    await started.promise
    await t.rejects(here.kind.addTask(2, { name: 'taken', onDuplicate: 'replace' }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
    t.match(await here.kind.getTask('taken'), { data: 1, status: 'cancelling' })
  })

  t.test('with replace, a free name is taken at once', async t => {
    const [, there] = await buildFleet(t, engine, (_app, { data }) => data)
    t.equal(await (await there.kind.addTask(1, { name: 'free', onDuplicate: 'replace' })).finished, 1)
  })

  t.test('if two apps add one name a hundred times at once, one task is added', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write('started')
      await gate.promise
      return data
    })
    const adds = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? here : there).kind.addTask(i, { name: 'taken' })))
    const winners = adds.flatMap((add, i) => add.status === 'fulfilled' ? [{ i, task: add.value }] : [])
    const errors = adds.flatMap(add => add.status === 'rejected' ? [add.reason.code] : [])
    t.equal(winners.length, 1)
    t.strictSame(errors, Array(99).fill('FST_ERR_TASK_DUPLICATE_NAME'))
    gate.resolve()
    t.equal(await winners[0]!.task.finished, winners[0]!.i)
    t.equal(journal.count('started'), 1)
  })

  t.test('if the name of a settled task is added a hundred times at once, one task is added', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write('started')
      if (data !== 'first') await gate.promise
      return data
    })
    await (await here.kind.addTask('first', { name: 'taken' })).finished
    const adds = await Promise.allSettled(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? here : there).kind.addTask(i, { name: 'taken' })))
    const winners = adds.flatMap((add, i) => add.status === 'fulfilled' ? [{ i, task: add.value }] : [])
    t.equal(winners.length, 1)
    t.ok(adds.every(add => add.status === 'fulfilled' || add.reason.code === 'FST_ERR_TASK_DUPLICATE_NAME'))
    gate.resolve()
    t.equal(await winners[0]!.task.finished, winners[0]!.i)
    t.equal(journal.count('started'), 2)
  })

  t.test('a hundred adds of one name at once with keep resolve to the same task', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      await gate.promise
      return data
    })
    const tasks = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? here : there).kind.addTask(i, { name: 'kept', onDuplicate: 'keep' })))
    gate.resolve()
    t.equal(new Set(tasks.map(task => task.data)).size, 1)
    t.equal(new Set(await Promise.all(tasks.map(task => task.finished))).size, 1)
  })

  t.test('if tasks replace one another at once, no two run at the same time, and one remains', async t => {
    let running = 0
    let most = 0
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      most = Math.max(most, ++running)
      try {
        return await untilAborted(app, task)
      } finally {
        running--
      }
    }, { plugin: { cancelTimeout: 300_000, timeout: 120_000 } })
    const tasks = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? here : there).kind.addTask(i, { name: 'replaced', onDuplicate: 'replace' })))
    t.equal(most <= 1, true, `at most one ran at a time, not ${most}`)
    const holder = await here.kind.getTask('replaced')
    t.equal(holder.settled, false)
    const others = tasks.filter(task => task.data !== holder.data)
    t.equal(others.length, 9)
    for (const task of others) await t.rejects(task.finished, { name: 'AbortError' })
    await holder.cancel()
  })

  t.test('a task that settles before its addTask resolves is no duplicate', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => data)
    const loops = [here, there].map(async ({ kind }, who) => {
      for (let won = 0; won < 10;) {
        try {
          const task = await kind.addTask(`${who}:${won}`, { name: 'again' })
          t.equal(task.data, `${who}:${won}`)
          t.equal(await task.finished, `${who}:${won}`)
          won++
        } catch (error: any) {
          if (error.code !== 'FST_ERR_TASK_DUPLICATE_NAME') throw error
          await nextTurn()
        }
      }
    })
    await Promise.all(loops)
  })
})
