import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('all failed tasks are retried, and no other', async t => {
    let mended = false
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => {
      if (data === 'bad' && !mended) throw new Error('failed')
      return 'ran'
    }, { apps: 1 })
    const all = engine.name === 'local' ? 230 : 25 // more than a page, where that takes no time
    await kind.addTasks(Array.from({ length: all }, (_, i) => ({ name: `bad ${i}`, data: 'bad' })))
    await kind.addTasks(Array.from({ length: 5 }, (_, i) => ({ name: `good ${i}`, data: 'good' })))
    await kind.idle()
    t.match(await kind.count(), { failed: all, completed: 5 })
    mended = true
    t.equal(await kind.retryTasks({ limit: 10 }), 10)
    await kind.idle()
    t.match(await kind.count(), { failed: all - 10, completed: 15 })
    t.equal(await kind.retryTasks(), all - 10)
    await kind.idle()
    t.match(await kind.count(), { failed: 0, completed: all + 5 })
    t.equal(await kind.retryTasks(), 0)
    t.equal(await kind.retryTasks({ status: ['completed', 'failed'], limit: 3 }), 3)
    await kind.idle()
  })

  t.test('cancelTasks cancels deferred and running tasks, and resolves to how many', async t => {
    const [{ kind }] = await buildFleet(t, engine, async (_app, { signal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }, { concurrency: 2, apps: 1 })
    await kind.addTasks(Array.from({ length: 30 }, (_, i) => ({ name: `task ${i}`, data: i })))
    while ((await kind.count()).running < 2) await nextTurn()
    t.equal(await kind.cancelTasks({ status: 'deferred', limit: 4, reason: 'too many' }), 4)
    t.equal((await kind.tasks({ status: 'cancelled' })).filter(({ error }) => error!.message === 'too many').length, 4)
    t.equal(await kind.cancelTasks(), 26)
    t.equal(await kind.cancelTasks(), 0)
    await kind.idle()
    t.equal((await kind.tasks({ status: 'cancelled' })).length, 30)
  })

  t.test('tasks that several calls cancel at the same time are counted once', async t => {
    const [here, there] = await buildFleet(t, engine, async (_app, { signal }) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }, { concurrency: 4 })
    await here.kind.addTasks(Array.from({ length: 40 }, (_, i) => ({ name: `task ${i}`, data: i })))
    while ((await here.kind.count()).running < 4) await nextTurn()
    const counts = await Promise.all([here, there, here, there].map(({ kind }) => kind.cancelTasks({ timeout: 20_000 })))
    await here.kind.idle()
    t.equal((await here.kind.tasks({ status: 'cancelled' })).length, 40)
    t.equal(counts.reduce((sum, count) => sum + count), 40, `${counts}`)
  })

  t.test('no deferred task starts while all are cancelled', async t => {
    const journal = new Journal()
    const [{ kind }] = await buildFleet(t, engine, async (_app, { name, signal }) => {
      journal.write(name)
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }, { concurrency: 2, apps: 1 })
    await kind.addTasks(Array.from({ length: 40 }, (_, i) => ({ name: `task ${i}`, data: i })))
    await journal.untilLines(2) // the server says that a task runs before its process has begun
    t.equal(await kind.cancelTasks(), 40)
    t.equal(new Set(journal.lines).size, 2)
  })

  t.test('one task that does not stop does not keep the others from being cancelled', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [{ kind }] = await buildFleet(t, engine, async (_app, { name, signal }) => {
      journal.write(name)
      if (name === 'deaf') return gate.promise
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    }, { apps: 1 })
    t.teardown(() => gate.resolve())
    await kind.addTasks(['deaf', 'hears'].map(name => ({ name, data: 1 })))
    await journal.untilLines(2)
    await t.rejects(kind.cancelTasks({ timeout: 100 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
    await t.rejects(kind.cancelTasks({ status: ['running', 'cancelling'], timeout: 0 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
    await untilStatus(kind, 'hears', 'cancelled')
    t.equal((await kind.getTask('deaf')).status, 'cancelling')
    gate.resolve()
    await kind.idle()
  })

  t.test('the error for tasks that do not stop says how many they are, and how many were cancelled', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [{ kind }] = await buildFleet(t, engine, () => {
      journal.write('started')
      return gate.promise
    }, { apps: 1, concurrency: 2 })
    t.teardown(() => gate.resolve())
    await kind.addTasks(Array.from({ length: 5 }, (_, data) => ({ data })))
    await journal.untilLines(2)
    await t.rejects(kind.cancelTasks({ timeout: 50 }), {
      code: 'FST_ERR_TASK_CANCEL_TIMEOUT',
      statusCode: 504,
      message: /^The work of 2 tasks of the kind "[^"]+" has not stopped 50 ms after its cancellation \(3 others were cancelled\)$/
    })
    await t.rejects(kind.cancelTasks({ status: 'cancelling', limit: 1, timeout: 0 }), {
      message: /^The work of task "[^"]+" has not stopped 0 ms after its cancellation \(0 others were cancelled\)$/
    })
    gate.resolve()
    await kind.idle()
  })

  t.test('many tasks are all being cancelled before the first wait', async t => {
    const journal = new Journal()
    let told = 0
    let hear!: () => void
    const heard = new Promise<void>(resolve => { hear = resolve })
    const [{ kind }] = await buildFleet(t, engine, async (_app, { signal }) => {
      signal.addEventListener('abort', () => { if (++told === 90) hear() })
      journal.write('started')
      await heard
      throw signal.reason
    }, { apps: 1, concurrency: 90 })
    t.teardown(() => hear())
    await kind.addTasks(Array.from({ length: 90 }, (_, data) => ({ data })))
    await journal.untilLines(90)
    t.equal(await kind.cancelTasks({ timeout: 300_000 }), 90)
  })

  t.test('as many running tasks are cancelled as the limit says', async t => {
    const [{ kind }] = await buildFleet(t, engine, untilAborted, { apps: 1, concurrency: 10 })
    await kind.addTasks(Array.from({ length: 10 }, (_, data) => ({ data })))
    while ((await kind.count()).running < 10) await nextTurn()
    t.equal(await kind.cancelTasks({ limit: 4 }), 4)
    t.equal((await kind.count()).running, 6)
    t.equal(await kind.cancelTasks(), 6)
  })

  t.test('settled tasks are purged by status, by age, by name and by a function', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => {
      if (data === 'bad') throw new Error('failed')
    }, { apps: 1 })
    const add = async (name: string, data: string) => { await (await kind.addTask(data, { name })).finished.catch(() => {}) }
    for (const name of ['a', 'b', 'c']) await add(name, 'good')
    for (const name of ['d', 'e']) await add(name, 'bad')
    t.equal(await kind.purgeTasks({ olderThan: 60_000 }), 0)
    t.equal(await kind.purgeTasks({ name: 'a', status: 'failed' }), 0)
    t.equal(await kind.purgeTasks({ name: 'a' }), 1)
    t.equal(await kind.purgeTasks({ name: 'a' }), 0)
    t.equal(await kind.purgeTasks({ status: 'failed', olderThan: 0 }), 2)
    t.equal(await kind.purgeTasks(({ name }) => name === 'b'), 1)
    t.strictSame((await kind.tasks()).map(({ name }) => name), ['c'])
    t.equal(await kind.purgeTasks(), 1)
    t.equal(await kind.purgeTasks(), 0)
  })

  t.test('a function says which tasks are cancelled, retried and purged', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => { throw new Error('failed') }, { apps: 1 })
    const ofAda = ({ name }: { name: string }) => name.startsWith('ada:')
    const numbers = async () => Object.fromEntries(await Promise.all((['deferred', 'failed', 'cancelled'] as const).map(async status => {
      const tasks = await kind.tasks({ status, limit: 1000 })
      return [status, [tasks.filter(ofAda).length, tasks.length]]
    })))
    await kind.pause()
    await kind.addTasks(Array.from({ length: 450 }, (_, i) => ({ name: `${i % 3 === 0 ? 'ada' : 'ben'}:${i}`, data: i }))) // some pages
    t.equal(await kind.cancelTasks({ which: ofAda, limit: 30 }), 30)
    t.equal(await kind.cancelTasks({ which: ofAda }), 120)
    t.equal(await kind.cancelTasks({ which: ({ data }) => data % 9 === 1 }), 50)
    t.strictSame(await numbers(), { deferred: [0, 250], failed: [0, 0], cancelled: [150, 200] })
    await kind.resume()
    await kind.idle()
    await kind.pause()
    t.equal(await kind.retryTasks({ status: 'cancelled', which: ofAda }), 150)
    t.equal(await kind.retryTasks({ which: ({ data }) => data % 9 === 2, limit: 7 }), 7)
    t.strictSame(await numbers(), { deferred: [150, 157], failed: [0, 243], cancelled: [0, 50] })
    t.equal(await kind.purgeTasks({ status: 'failed', which: ({ data }) => data % 9 === 2 }), 43)
    t.equal(await kind.purgeTasks({ status: 'failed', olderThan: 60_000, which: () => true }), 0)
    t.strictSame(await numbers(), { deferred: [150, 157], failed: [0, 200], cancelled: [0, 50] })
  })

  t.test('a function that does not say true or false is refused, and an error of it is passed on', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await kind.addTask('good', { name: 'settled' })
    await kind.idle()
    await kind.pause()
    await kind.addTask('waiting', { name: 'waiting' })
    const verbs = { retryTasks: { status: 'completed' }, cancelTasks: {}, purgeTasks: {} } as const
    for (const [verb, options] of Object.entries(verbs) as [keyof typeof verbs, object][]) {
      // The types refuse such a function, so it is JavaScript that passes it.
      await t.rejects(kind[verb]({ ...options, which: (async () => false) as any }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: new RegExp(`"which" of ${verb} must return true or false, received a promise`) })
      await t.rejects(kind[verb]({ ...options, which: () => { throw new Error('which') } }), { message: 'which' })
    }
    t.match(await kind.count(), { deferred: 1, completed: 1 })
  })

  t.test('all tasks that were cancelled before they started are purged, even if no process works', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await kind.pause()
    await kind.addTasks(Array.from({ length: 230 }, (_, data) => ({ data }))) // more than a batch
    t.equal(await kind.cancelTasks(), 230)
    t.equal(await kind.purgeTasks(), 230)
    t.strictSame(await kind.tasks(), [])
  })

  t.test('options that make no sense are refused', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    const refused = { code: 'FST_ERR_TASK_INVALID_OPTION' }
    for (const options of [{ status: 'running' }, { status: ['failed', 'deferred'] }, { status: 'x' }, { limit: -1 }, { stauts: 'failed' }, null]) {
      await t.rejects(kind.retryTasks(options as any), refused, JSON.stringify(options))
    }
    for (const options of [{ status: 'failed' }, { status: ['deferred', 'completed'] }, { limit: 1.5 }, { reason: 5 }, { timeout: -1 }]) {
      await t.rejects(kind.cancelTasks(options as any), refused, JSON.stringify(options))
    }
    for (const options of [{ status: 'running' }, { olderThan: -1 }, { olderThan: Infinity }, { name: 5 }, { limit: 1 }, 'all']) {
      await t.rejects(kind.purgeTasks(options as any), refused, JSON.stringify(options))
    }
  })

  t.test('if two calls retry or purge all tasks at once, each counts those that it has changed', async t => {
    const [here, there] = await buildFleet(t, engine, () => { throw new Error('failed') }, { attempts: 1 })
    await here.kind.addTasks(Array.from({ length: 12 }, (_, data) => ({ data })))
    await here.kind.idle()
    await here.kind.pause()
    const retried = await Promise.all([here.kind.retryTasks(), there.kind.retryTasks()])
    t.equal(retried[0] + retried[1], 12)
    t.equal(await there.kind.cancelTasks(), 12)
    const purged = await Promise.all([here.kind.purgeTasks({ status: 'cancelled' }), there.kind.purgeTasks({ status: 'cancelled' })])
    t.equal(purged[0] + purged[1], 12)
  })

  t.test('a task that completes although it is cancelled is not counted', async t => {
    const started = withResolvers()
    const [{ kind }] = await buildFleet(t, engine, async (_app, { signal }) => {
      started.resolve()
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
      return 'done all the same'
    }, { apps: 1 })
    const task = await kind.addTask(1, { name: 'stubborn' })
    await started.promise
    t.equal(await kind.cancelTasks(), 0)
    t.equal(await task.finished, 'done all the same')
  })
})
