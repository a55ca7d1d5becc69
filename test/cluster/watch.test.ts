import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('progress is seen from the other app', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      task.progress = { day: 1 }
      t.strictSame(task.progress, { day: 1 }, 'and by the work itself, at once')
      journal.write('started')
      await gate.promise
    })
    const task = await here.kind.addTask(1, { name: 'progressing' })
    await journal.until('started')
    for await (const { progress } of (await there.kind.getTask('progressing')).watch()) if (progress !== undefined) break
    t.strictSame((await there.kind.getTask('progressing')).progress, { day: 1 })
    gate.resolve()
    await task.finished
    t.strictSame((await there.kind.getTask('progressing')).progress, { day: 1 })
  })

  t.test('the last value of progress that changes fast is never lost', async t => {
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      for (let i = 1; i <= 1000; i++) task.progress = i
    })
    await (await here.kind.addTask(1, { name: 'fast' })).finished
    t.equal((await there.kind.getTask('fast')).progress, 1000)
  })

  t.test('the last progress of work that fails is kept', async t => {
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      for (let i = 1; i <= 100; i++) task.progress = i
      throw new Error('as told')
    })
    await (await here.kind.addTask(1, { name: 'failing' })).finished.catch(() => {})
    t.equal((await there.kind.getTask('failing')).progress, 100)
  })

  t.test('watch yields the present state at once, every change, and the settled state last', async t => {
    const journal = new Journal()
    const gates = [withResolvers(), withResolvers(), withResolvers()]
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      journal.write('started')
      await gates[0]!.promise
      task.progress = 'half'
      await gates[1]!.promise
      task.progress = 'all'
      await gates[2]!.promise
    })
    await here.kind.addTask(1, { name: 'watched' })
    await journal.until('started')
    const seen: unknown[] = []
    for await (const { name, status, progress } of (await there.kind.getTask('watched')).watch()) {
      seen.push([name, status, progress])
      gates[seen.length - 1]?.resolve()
    }
    t.strictSame(seen, [
      ['watched', 'running', undefined], ['watched', 'running', 'half'], ['watched', 'running', 'all'], ['watched', 'completed', 'all']
    ])
  })

  t.test('with an interval, watch yields at most one state in so many ms, and never loses the last', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      await gate.promise
      const beganAt = performance.now()
      for (let i = 1; performance.now() < beganAt + 300; i++) {
        task.progress = i
        await sleep(1)
      }
      task.progress = 'the last'
    })
    const beganAt = performance.now()
    await here.kind.addTask(1, { name: 'fast' })
    const states = []
    for await (const { status, progress } of (await there.kind.getTask('fast')).watch({ interval: 100 })) {
      gate.resolve()
      states.push({ status, progress })
    }
    const intervals = Math.ceil((performance.now() - beganAt) / 100)
    t.ok(states.length >= 2 && states.length <= intervals + 2, `${states.length} states in ${intervals} intervals`)
    t.strictSame(states.at(-1), { status: 'completed', progress: 'the last' })
  })

  t.test('a bad interval is refused at the call, and return() ends a watch that waits', async t => {
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, () => gate.promise)
    const task = await here.kind.addTask(1, { name: 'waiting' })
    t.throws(() => task.watch({ interval: -1 }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /"interval" of task "waiting"/ })
    const states = task.watch({ interval: Infinity })
    await states.next()
    const next = states.next()
    await states.return()
    t.strictSame(await next, { done: true, value: undefined })
    gate.resolve()
    await task.finished
  })

  t.test('watch of a task that waits yields its start', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, () => gate.promise)
    await here.kind.pause()
    await here.kind.addTask(1, { name: 'waiting' })
    const seen: unknown[] = []
    for await (const { status } of (await there.kind.getTask('waiting')).watch()) {
      seen.push(status)
      if (status === 'deferred') await here.kind.resume()
      if (status === 'running') gate.resolve()
    }
    t.strictSame(seen, ['deferred', 'running', 'completed'])
  })

  t.test('watch of a settled task yields its state and ends', async t => {
    const [here, there] = await buildFleet(t, engine, () => { throw new Error('as told') })
    await (await here.kind.addTask(1, { name: 'failed' })).finished.catch(() => {})
    const seen = []
    for await (const state of (await there.kind.getTask('failed')).watch()) seen.push(state)
    t.match(seen, [{ name: 'failed', status: 'failed', error: { message: 'as told' } }])
    t.equal(seen.length, 1)
  })

  t.test('watch yields a cancellation', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    })
    await here.kind.addTask(1, { name: 'watched' })
    await journal.until('started')
    const seen: string[] = []
    for await (const { status } of (await there.kind.getTask('watched')).watch()) {
      if (seen.length === 0) here.kind.cancelTask('watched')
      seen.push(status)
    }
    t.equal(seen[0], 'running')
    t.equal(seen.at(-1), 'cancelled')
  })

  t.test('watch yields the cancellation of a task that waits', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTask(1, { name: 'waiting' })
    const seen: string[] = []
    for await (const { status } of (await there.kind.getTask('waiting')).watch()) {
      seen.push(status)
      if (status === 'deferred') here.kind.cancelTask('waiting')
    }
    t.strictSame(seen, ['deferred', 'cancelled'])
  })

  t.test('changes that come faster than they are read become one, and none after the last is missed', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      await gate.promise
      for (let i = 1; i <= 100; i++) task.progress = i
    })
    await here.kind.addTask(1, { name: 'fast' })
    const seen: unknown[] = []
    for await (const { progress } of (await there.kind.getTask('fast')).watch()) {
      gate.resolve()
      seen.push(progress)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    t.equal(seen.at(-1), 100)
    t.ok(seen.length < 50)
  })

  t.test('many watches of one task each yield its states', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, task) => {
      await gate.promise
      task.progress = 1
    })
    await here.kind.addTask(1, { name: 'watched' })
    let begun = 0
    const last = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      let state
      for await (state of (await (i % 2 === 0 ? here : there).kind.getTask('watched')).watch()) if (++begun === 20) gate.resolve()
      return state!.status
    }))
    t.strictSame(last, Array(20).fill('completed'))
  })

  t.test('watch ends with its signal as events.on does', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTask(1, { name: 'waiting' })
    const controller = new AbortController()
    const states = (await there.kind.getTask('waiting')).watch({ signal: controller.signal })
    t.match(await states.next(), { done: false, value: { status: 'deferred' } })
    const next = states.next()
    controller.abort()
    await t.rejects(next, { name: 'AbortError' })
  })

  t.test('watch ends when its app begins to close', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTask(1, { name: 'waiting' })
    const states = (await there.kind.getTask('waiting')).watch()
    await states.next()
    const next = states.next()
    await there.app.close()
    t.strictSame(await next, { done: true, value: undefined })
  })

  t.test('a break ends a watch', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1)
    const states = task.watch()
    for await (const { status } of states) if (status === 'deferred') break
    t.strictSame(await states.next(), { done: true, value: undefined })
    await task.cancel()
  })

  t.test('watch of a settled task that was purged yields its last state', async t => {
    const [here] = await buildFleet(t, engine, () => 'ran')
    const task = await here.kind.addTask(1, { name: 'purged' })
    await task.finished
    await here.kind.purgeTasks()
    const states = []
    for await (const state of task.watch()) states.push(state)
    t.match(states, [{ name: 'purged', status: 'completed' }])
    t.match(inspect(task), /purged.*completed/s)
  })

  t.test('watch refuses bad options', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1)
    t.throws(() => task.watch({ signal: {} as any }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    t.throws(() => task.watch({ singal: AbortSignal.abort() } as any), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  })

  t.test('progress that is no JSON fails the task and is named with its path, and the progress before stays', async t => {
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async (_app, task) => {
      task.progress = { done: 1 }
      await gate.promise
      task.progress = { done: () => {} } as never
      await sleep(60_000, undefined, { signal: task.signal })
    }, { attempts: 3 })
    const task = await here.kind.addTask(1, { name: 'bad progress' })
    for await (const { progress } of task.watch()) if (progress !== undefined) break
    gate.resolve()
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_INVALID_DATA', statusCode: 500, message: 'The progress of task "bad progress" cannot be stored as JSON: progress.done is a function' })
    t.match(await here.kind.getTask('bad progress'), { status: 'failed', attempt: 1, progress: { done: 1 } })
  })
})
