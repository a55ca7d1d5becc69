import { hostname } from 'node:os'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a task that waits is deferred', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const before = Date.now()
    const added = await here.kind.addTask({ month: 5 }, { name: 'waiting' })
    for (const task of [added, await there.kind.getTask('waiting')]) {
      t.equal(task.status, 'deferred')
      t.equal(task.settled, false)
      t.ok(task.createdAt >= before - 5 && task.createdAt <= Date.now() + 5)
      t.strictSame([task.startsAt, task.startedAt, task.settledAt, task.result, task.error, task.progress, task.worker], Array(7).fill(undefined))
      t.equal(task.attempt, 0)
      t.strictSame(task.data, { month: 5 })
      t.equal(task.kind, here.kind.name)
    }
  })

  t.test('a task that runs is running, with the process that runs it', async t => {
    const began = Date.now() // before any worker asks for a task: startedAt is when it asked
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
    })
    await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    const task = await there.kind.getTask('running')
    t.equal(task.status, 'running')
    t.equal(task.settled, false)
    t.equal(task.attempt, 1)
    t.ok(task.startedAt! >= began && task.startedAt! <= Date.now())
    t.equal(task.settledAt, undefined)
    t.strictSame(task.worker, { host: hostname(), pid: process.pid })
    gate.resolve()
    await task.finished
  })

  t.test('a task that returned is completed, with its result', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => ({ doubled: data * 2 }))
    await (await here.kind.addTask(21, { name: 'done' })).finished
    const task = await there.kind.getTask('done')
    t.equal(task.status, 'completed')
    t.equal(task.settled, true)
    t.strictSame(task.result, { doubled: 42 })
    t.equal(task.error, undefined)
    t.ok(task.settledAt! >= task.startedAt!)
    t.equal(task.attempt, 1)
    t.strictSame(task.worker, { host: hostname(), pid: process.pid })
  })

  t.test('a task that threw has failed, with the name, message and code of its error', async t => {
    class QuotaError extends Error {
      override name = 'QuotaError'
      code = 'E_QUOTA'
    }
    const [here, there] = await buildFleet(t, engine, () => { throw new QuotaError('all used "up"') })
    await (await here.kind.addTask(1, { name: 'failed' })).finished.catch(() => {})
    const task = await there.kind.getTask('failed')
    t.equal(task.status, 'failed')
    t.equal(task.settled, true)
    t.equal(task.result, undefined)
    t.match(task.error, { name: 'QuotaError', message: 'all used "up"', code: 'E_QUOTA' })
    t.ok(task.settledAt! >= task.startedAt!)
  })

  t.test('any thrown value can be read', async t => {
    const thrown: [unknown, object][] = [
      ['text', { name: 'Error', message: 'text' }],
      [undefined, { name: 'Error', message: 'undefined' }],
      [null, { name: 'Error', message: 'null' }],
      [new TypeError('no function'), { name: 'TypeError', message: 'no function' }],
      [{ message: 'plain', code: 42 }, { message: 'plain', code: 42 }],
      [new Error('{"status":"cancelled"}'), { name: 'Error', message: '{"status":"cancelled"}' }],
      [Object.defineProperty({}, 'message', { get () { throw new Error('unreadable') } }), { message: 'unreadable' }],
      [Object.defineProperty(new Error('unreadable retry'), 'retry', { get () { throw new Error('unreadable') } }), { message: 'unreadable retry' }]
    ]
    const [here] = await buildFleet(t, engine, (_app, { data }) => { throw thrown[data]![0] })
    for (const [data, [, error]] of thrown.entries()) {
      const task = await here.kind.addTask(data)
      t.match(await task.finished.catch((error: unknown) => error), error)
      await task.refresh()
      t.equal(task.status, 'failed')
      t.match(task.error, error)
    }
  })

  t.test('an AbortError of work that nobody cancelled is a failure', async t => {
    const [here] = await buildFleet(t, engine, () => { throw new DOMException('not ours', 'AbortError') })
    const task = await here.kind.addTask(1)
    await t.rejects(task.finished, { name: 'AbortError' })
    t.equal((await here.kind.getTask(task.name)).status, 'failed')
  })

  t.test('a task whose work takes longer than its timeout fails with FST_ERR_TASK_TIMEOUT', async t => {
    const [here, there] = await buildFleet(t, engine, untilAborted, { timeout: 50 })
    const task = await here.kind.addTask(1, { name: 'slow' })
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    const found = await there.kind.getTask('slow')
    t.equal(found.status, 'failed')
    t.match(found.error, { code: 'FST_ERR_TASK_TIMEOUT', message: /"slow".* 50 ms/ })
  })

  t.test('a task does not change until it is read again', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async (_app, task) => {
      journal.write('started')
      await gate.promise
      task.progress = 'all'
      return 'result'
    })
    const task = await here.kind.addTask(1)
    const { status } = task
    await journal.until('started')
    t.equal(task.status, status)
    gate.resolve()
    await task.finished
    await task.refresh()
    t.equal(task.status, 'completed')
    t.equal(task.progress, 'all')
    t.equal(task.result, 'result')
  })

  t.test('refresh of a task that is gone is a 404', async t => {
    const [here] = await buildFleet(t, engine, () => {})
    const task = await here.kind.addTask(1)
    await task.finished
    await here.kind.purgeTasks()
    await t.rejects(task.refresh(), { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404 })
  })

  t.test('its JSON is the state: no data, no result, no stack', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      task.progress = { done: 1 }
      if (task.data === 'fail') throw Object.assign(new Error('as told'), { code: 'E_TOLD' })
      return 'secret'
    })
    await (await here.kind.addTask('secret', { name: 'completed' })).finished
    await (await here.kind.addTask('fail', { name: 'failed' })).finished.catch(() => {})
    const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
    const worker = { host: hostname(), pid: process.pid }
    for (const name of ['completed', 'failed']) {
      const state = JSON.parse(JSON.stringify(await there.kind.getTask(name)))
      t.match(state, { name, kind: here.kind.name, status: name, progress: { done: 1 }, attempt: 1, worker, createdAt: iso, startedAt: iso, settledAt: iso })
      t.notMatch(JSON.stringify(state), /secret|stack|\.ts/)
      t.equal('data' in state || 'result' in state, false)
      if (name === 'failed') t.strictSame(state.error, { name: 'Error', message: 'as told', code: 'E_TOLD' })
      else t.equal(state.error, undefined)
    }
  })

  t.test('it is no thenable, and read-only', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task: any = await here.kind.addTask(1, { name: 'mine' })
    t.equal(task.then, undefined)
    for (const property of ['name', 'kind', 'status', 'data', 'result', 'error', 'progress', 'attempt', 'createdAt', 'worker', 'settled']) {
      t.throws(() => { task[property] = 'other' }, TypeError, property)
    }
    t.equal(task.name, 'mine')
  })

  t.test('finished waits for a task that another app runs', async t => {
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async () => {
      await gate.promise
      return 'result'
    })
    await here.kind.addTask(1, { name: 'shared' })
    const [a, b] = await Promise.all([here.kind.getTask('shared'), there.kind.getTask('shared')])
    const both = Promise.all([a.finished, b.finished])
    gate.resolve()
    t.strictSame(await both, ['result', 'result'])
    t.equal(await (await there.kind.getTask('shared')).finished, 'result', 'and at once when it has settled')
  })

  t.test('finished is the same promise each time', async t => {
    const [here] = await buildFleet(t, engine, () => 1)
    const task = await here.kind.addTask(1)
    t.equal(task.finished, task.finished)
    await task.finished
  })

  t.test('finished belongs to the task it was read from, not to the next one of that name', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => data)
    const first = await here.kind.addTask('first', { name: 'same' })
    await first.finished
    const handle = await here.kind.getTask('same')
    await (await there.kind.addTask('second', { name: 'same' })).finished
    t.equal(await handle.finished, 'first')
    t.equal((await here.kind.getTask('same')).result, 'second')
  })

  t.test('the end of a task that lost its name long ago is not known any more', async t => {
    const [here] = await buildFleet(t, engine, (_app, { data }) => data)
    const first = await here.kind.addTask(0, { name: 'same' })
    let last = first
    for (let i = 1; i <= 130; i++) {
      await last.finished
      last = await here.kind.addTask(i, { name: 'same' })
    }
    await t.rejects(first.refresh(), { code: 'FST_ERR_TASK_NOT_FOUND' })
    t.equal(await last.finished, 130)
  })

  t.test('finished rejects with an error that can be thrown in a handler', async t => {
    const [here, there] = await buildFleet(t, engine, () => { throw new RangeError('too far') })
    await here.kind.addTask(1, { name: 'failed' })
    const error = await (await there.kind.getTask('failed')).finished.catch(error => error)
    t.type(error, Error)
    t.match(error, { name: 'RangeError', message: 'too far' })
  })

  t.test('a failed task that nobody awaits causes no unhandledRejection', async t => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => { unhandled.push(reason) }
    process.on('unhandledRejection', listener)
    t.teardown(() => process.off('unhandledRejection', listener))
    const [here] = await buildFleet(t, engine, () => { throw new Error('as told') })
    const task = await here.kind.addTask(1)
    const { finished } = task
    await here.kind.idle()
    await new Promise(resolve => setImmediate(resolve))
    await t.rejects(finished, { message: 'as told' })
    t.strictSame(unhandled, [])
  })

  t.test('a task whose work ignores its cancellation stays cancelling', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {
      journal.write('started')
      return deaf()
    }, { plugin: { cancelTimeout: 100, drainTimeout: 0 } })
    await here.kind.addTask(1, { name: 'deaf' })
    await journal.until('started')
    await t.rejects(there.kind.cancelTask('deaf'), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', statusCode: 504, message: /"deaf".* 100 ms/ })
    for (const { kind } of [here, there]) {
      const task = await kind.getTask('deaf')
      t.equal(task.status, 'cancelling')
      t.equal(task.settled, false)
    }
  })
})
