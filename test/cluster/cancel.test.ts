import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a task that waits while every worker is busy settles at once as cancelled, and never runs', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (_app, { data }) => {
      journal.write(`started ${data}`)
      await gate.promise
    }, { concurrency: 1 })
    const busy = engine.connection === undefined ? [0] : [0, 1]
    await here.kind.addTasks(busy.map(data => ({ data })))
    await Promise.all(busy.map(i => journal.until(`started ${i}`)))
    await here.kind.addTask('late', { name: 'late' })
    const next = await here.kind.addTask('next')

    await there.kind.cancelTask('late')
    const task = await here.kind.getTask('late')
    t.equal(task.status, 'cancelled')
    t.equal(task.settled, true)
    t.equal(task.startedAt, undefined)
    t.type(task.settledAt, 'number')
    t.match(task.error, { name: 'AbortError', code: 'ABORT_ERR' })

    gate.resolve()
    await next.finished
    await here.kind.idle()
    t.equal(journal.count('started late'), 0)
    const later = await there.kind.getTask('late')
    t.equal(later.status, 'cancelled')
    t.equal(later.settledAt, task.settledAt)
  })

  t.test('a task that waits settles at once as cancelled, even if no process works', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1, { name: 'waiting' })
    const { finished } = task
    await there.kind.cancelTask('waiting', { reason: 'nobody works' })
    await t.rejects(finished, { name: 'AbortError', message: 'nobody works' })
    t.equal((await here.kind.getTask('waiting')).status, 'cancelled')
    t.strictSame((await here.kind.tasks({ status: ['cancelled'] })).map(task => task.name), ['waiting'])
    t.strictSame(await here.kind.tasks({ status: ['deferred'] }), [])
  })

  t.test('a delayed task settles at once as cancelled, and its time passes without it', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => { journal.write(`started ${data}`) })
    await here.kind.pause()
    await here.kind.addTask('cancelled', { name: 'delayed', delay: 1000 })
    await there.kind.cancelTask('delayed')
    await here.kind.resume()
    const after = await here.kind.addTask('after', { delay: 1200 })
    await after.finished
    t.strictSame(journal.lines, ['started after'])
    t.equal((await here.kind.getTask('delayed')).status, 'cancelled')
  })

  t.test('a task that waits in a paused kind settles at once as cancelled, and never runs', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => { journal.write(`started ${data}`) })
    await here.kind.pause()
    await here.kind.addTask('cancelled', { name: 'paused' })
    await there.kind.cancelTask('paused')
    t.equal((await there.kind.getTask('paused')).status, 'cancelled')
    await here.kind.resume()
    await (await here.kind.addTask('after')).finished
    t.strictSame(journal.lines, ['started after'])
  })

  t.test('a task that waits for its next attempt settles at once as cancelled', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {
      journal.write('started')
      throw new Error('once more')
    }, { attempts: 3, backoff: 60_000 })
    const task = await here.kind.addTask(1, { name: 'backing off' })
    await journal.until('started')
    await untilStatus(there.kind, 'backing off', 'deferred')
    await there.kind.cancelTask('backing off')
    await t.rejects(task.finished, { name: 'AbortError' })
    t.equal((await here.kind.getTask('backing off')).status, 'cancelled')
    t.equal(journal.lines.length, 1)
  })

  t.test('a running task is aborted from another app, its clean-up done when cancelTask resolves', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      try {
        await untilAborted(app, task)
      } finally {
        await new Promise(resolve => setTimeout(resolve, 20))
        journal.write('cleaned up')
      }
    })
    const task = await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    t.equal(await there.kind.cancelTask('running', { reason: 'changed my mind' }), undefined)
    t.equal(journal.lines.at(-1), 'cleaned up')
    await t.rejects(task.finished, { name: 'AbortError', message: 'changed my mind', code: 'ABORT_ERR' })
    const found = await there.kind.getTask('running')
    t.equal(found.status, 'cancelled')
    t.match(found.error, { name: 'AbortError', message: 'changed my mind', code: 'ABORT_ERR' })
    t.type(found.startedAt, 'number')
  })

  t.test('every app can cancel a task, in whichever app it runs', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    }, { concurrency: 20 })
    const tasks = await here.kind.addTasks(Array.from({ length: 20 }, (_, data) => ({ data, name: `task ${data}` })))
    await journal.until('started', 20)
    await Promise.all(tasks.map((task, i) => (i % 2 === 0 ? here : there).kind.cancelTask(task.name)))
    t.equal((await here.kind.tasks({ status: ['cancelled'] })).length, 20)
  })

  t.test('the reason of a cancellation may be an error, which keeps its name, message and code', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    })
    await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    await there.kind.cancelTask('running', { reason: Object.assign(new RangeError('out of stock'), { code: 'E_STOCK' }) })
    const task = await here.kind.getTask('running')
    t.equal(task.status, 'cancelled')
    t.match(task.error, { name: 'RangeError', message: 'out of stock', code: 'E_STOCK' })
  })

  t.test('the reason of a cancellation is the reason of the signal of the work', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      await untilAborted(app, task).catch(() => {})
      journal.write(task.signal.reason.message)
    })
    await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    await there.kind.cancelTask('running', { reason: 'told so' })
    t.strictSame(journal.lines, ['started', 'told so'])
  })

  t.test('work that ignores its cancellation and returns is completed', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      await untilAborted(app, task).catch(() => {})
      return 'all the same'
    })
    await here.kind.addTask(1, { name: 'stubborn' })
    await journal.until('started')
    await there.kind.cancelTask('stubborn')
    const task = await there.kind.getTask('stubborn')
    t.equal(task.status, 'completed')
    t.equal(task.result, 'all the same')
  })

  t.test('work whose clean-up throws has failed, and is not tried again', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      await untilAborted(app, task).catch(() => {})
      throw new Error('clean-up failed')
    }, { attempts: 3 })
    await here.kind.addTask(1, { name: 'failing' })
    await journal.until('started')
    await there.kind.cancelTask('failing')
    const task = await there.kind.getTask('failing')
    t.equal(task.status, 'failed')
    t.match(task.error, { message: 'clean-up failed' })
    t.equal(journal.lines.length, 1)
  })

  t.test('cancelled work is not tried again', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    }, { attempts: 5 })
    await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    await there.kind.cancelTask('running')
    t.equal((await here.kind.getTask('running')).status, 'cancelled')
    await here.kind.idle()
    t.equal(journal.lines.length, 1)
  })

  t.test('several cancels share one cancellation, and the first reason wins', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      task.signal.addEventListener('abort', () => journal.write('aborted'))
      return untilAborted(app, task)
    })
    await here.kind.addTask(1, { name: 'shared' })
    await journal.until('started')
    const first = there.kind.cancelTask('shared', { reason: 'first' })
    await journal.until('aborted')
    await Promise.all([first, here.kind.cancelTask('shared', { reason: 'second' }), there.kind.cancelTask('shared')])
    t.match((await here.kind.getTask('shared')).error, { message: 'first' })
    t.equal(journal.count('aborted'), 1)
  })

  t.test('calls of cancelTask from all apps at the same time all resolve', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    }, { concurrency: 1, apps: 1 })
    await here.kind.addTask(1, { name: 'running' })
    await journal.until('started')
    await here.kind.addTask(1, { name: 'waiting' })
    for (const name of ['waiting', 'running']) {
      await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? here : there).kind.cancelTask(name)))
      t.equal((await there.kind.getTask(name)).status, 'cancelled')
    }
    t.equal(journal.lines.length, 1)
  })

  t.test('a cancellation that comes while a worker takes the task is not lost', async t => {
    const [here, there] = await buildFleet(t, engine, untilAborted, { concurrency: 100, plugin: { cancelTimeout: 20_000 } })
    for (let i = 0; i < 30; i++) {
      const name = `task ${i}`
      await here.kind.addTask(i, { name })
      await there.kind.cancelTask(name)
      t.equal((await here.kind.getTask(name)).status, 'cancelled')
    }
  })

  t.test('work may cancel its own task', async t => {
    const [here] = await buildFleet(t, engine, async (app, task) => {
      await Promise.all([here.kind.cancelTask(task.name, { timeout: 20_000, reason: 'by itself' }).catch(() => {}), untilAborted(app, task)])
    }, { apps: 1 })
    const task = await here.kind.addTask(1)
    await t.rejects(task.finished, { name: 'AbortError', message: 'by itself' })
  })

  t.test('cancelling a settled task changes nothing', async t => {
    const [here, there] = await buildFleet(t, engine, () => 'result')
    await (await here.kind.addTask(1, { name: 'done' })).finished
    t.equal(await there.kind.cancelTask('done'), undefined)
    const task = await there.kind.getTask('done')
    t.equal(task.status, 'completed')
    t.equal(task.result, 'result')
  })

  t.test('cancelTask rejects after its timeout if the work does not stop, and the task settles when the work ends', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
    })
    await here.kind.addTask(1, { name: 'deaf' })
    await journal.until('started')
    const began = Date.now()
    await t.rejects(there.kind.cancelTask('deaf', { timeout: 50 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: /"deaf".* 50 ms/ })
    t.ok(Date.now() - began >= 45)
    t.equal((await here.kind.getTask('deaf')).status, 'cancelling')
    const again = there.kind.cancelTask('deaf', { timeout: Infinity })
    gate.resolve()
    await again
    t.equal((await here.kind.getTask('deaf')).status, 'completed')
  })

  t.test('a cancellation is sent again until the clean-up is done, and aborts once', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (_app, { signal }) => {
      journal.write('started')
      signal.addEventListener('abort', () => { journal.write('aborted') })
      await sleep(60_000, undefined, { signal }).catch(() => {})
      await sleep(1500)
      signal.throwIfAborted()
    })
    await here.kind.addTask(1, { name: 'slow' })
    await journal.until('started')
    await there.kind.cancelTask('slow', { timeout: 20_000 })
    t.equal((await here.kind.getTask('slow')).status, 'cancelled')
    t.strictSame(journal.lines, ['started', 'aborted'])
  })

  t.test('a cancellation that nobody awaits causes no unhandledRejection', async t => {
    const unhandled: unknown[] = []
    const listener = (reason: unknown) => { unhandled.push(reason) }
    process.on('unhandledRejection', listener)
    t.teardown(() => process.off('unhandledRejection', listener))
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, () => {
      journal.write('started')
      return deaf()
    }, { plugin: { cancelTimeout: 50, drainTimeout: 0 } })
    const task = await here.kind.addTask(1, { name: 'deaf' })
    await journal.until('started')
    const waited = t.rejects(task.cancel({ timeout: 60 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
    task.cancel({ timeout: 1 })
    here.kind.cancelTask('deaf', { timeout: 1 })
    await waited
    await new Promise(resolve => setImmediate(resolve))
    t.strictSame(unhandled, [])
  })

  t.test('task.cancel cancels the task that it was read from', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write('started')
      return untilAborted(app, task)
    })
    const task = await here.kind.addTask(1, { name: 'mine' })
    await journal.until('started')
    await (await there.kind.getTask('mine')).cancel({ reason: 'by its handle' })
    await t.rejects(task.finished, { message: 'by its handle' })
  })

  t.test('task.cancel never cancels the next task of that name', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write(`started ${task.data}`)
      return task.data === 'second' ? untilAborted(app, task) : undefined
    })
    const first = await here.kind.addTask('first', { name: 'same' })
    const handle = await there.kind.getTask('same')
    await first.finished
    await here.kind.addTask('second', { name: 'same' })
    await journal.until('started second')
    await Promise.all([first.cancel(), handle.cancel()])
    const second = await there.kind.getTask('same')
    t.equal(second.status, 'running')
    await second.cancel()
  })

  t.test('bad options of a cancel are refused', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1, { name: 'mine' })
    for (const options of [{ timeout: -1 }, { timeout: NaN }, { reason: 5 }, { resaon: 'x' }, null] as any[]) {
      await t.rejects(task.cancel(options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
      await t.rejects(here.kind.cancelTask('mine', options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    }
    t.equal((await here.kind.getTask('mine')).status, 'deferred')
  })
})
