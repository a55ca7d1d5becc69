import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a task runs once by default', async t => {
    let runs = 0
    const [here] = await buildFleet(t, engine, () => {
      runs++
      throw new Error('as told')
    })
    await t.rejects((await here.kind.addTask(1)).finished, { message: 'as told' })
    await here.kind.idle()
    t.equal(runs, 1)
  })

  t.test('a task that fails is run again, attempts times at most', async t => {
    const attempts: number[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      attempts.push(task.attempt)
      throw new Error(`attempt ${task.attempt}`)
    }, { attempts: 3 })
    const task = await here.kind.addTask(1, { name: 'failing' })
    await t.rejects(task.finished, { message: 'attempt 3' })
    t.strictSame(attempts, [1, 2, 3])
    const found = await there.kind.getTask('failing')
    t.equal(found.status, 'failed')
    t.equal(found.attempt, 3)
    t.match(found.error, { message: 'attempt 3' })
  })

  t.test('a task whose next run succeeds is completed', async t => {
    const [here] = await buildFleet(t, engine, (_app, task) => {
      if (task.attempt < 3) throw new TypeError('not yet')
      return `attempt ${task.attempt}`
    }, { attempts: 5 })
    const task = await here.kind.addTask(1)
    t.equal(await task.finished, 'attempt 3')
    t.equal((await here.kind.getTask(task.name)).error, undefined)
  })

  t.test('a thrown value that is no error is tried again, too', async t => {
    const [here] = await buildFleet(t, engine, (_app, task) => {
      if (task.attempt === 1) throw undefined // eslint-disable-line no-throw-literal
      return task.attempt
    }, { attempts: 2 })
    t.equal(await (await here.kind.addTask(1)).finished, 2)
  })

  t.test('an error whose retry is false is final', async t => {
    let runs = 0
    const [here] = await buildFleet(t, engine, () => {
      runs++
      throw Object.assign(new Error('no use'), { retry: false })
    }, { attempts: 3 })
    const task = await here.kind.addTask(1)
    await t.rejects(task.finished, { message: 'no use' })
    t.equal(runs, 1)
    t.equal((await here.kind.getTask(task.name)).status, 'failed')
  })

  t.test('a timeout ends one run, and is tried again like any failure', async t => {
    const [here] = await buildFleet(t, engine, (app, task) => task.attempt === 1 ? untilAborted(app, task) : 'in time', { attempts: 2, timeout: 50 })
    t.equal(await (await here.kind.addTask(1)).finished, 'in time')
  })

  t.test('the next run begins with the progress that the last one left', async t => {
    const seen: unknown[] = []
    const [here] = await buildFleet(t, engine, (_app, task) => {
      seen.push(task.progress)
      task.progress = { done: task.attempt }
      if (task.attempt < 3) throw new Error('not yet')
    }, { attempts: 3 })
    await (await here.kind.addTask(1)).finished
    t.strictSame(seen, [undefined, { done: 1 }, { done: 2 }])
  })

  t.test('while it waits for its next run, a task is deferred and has startsAt', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {
      journal.write('started')
      throw new Error('once more')
    }, { attempts: 2, backoff: 60_000 })
    await here.kind.addTask(1, { name: 'backing off' })
    await journal.until('started')
    const task = await untilStatus(there.kind, 'backing off', 'deferred')
    t.equal(task.status, 'deferred')
    t.equal(task.settled, false)
    t.equal(task.attempt, 1)
    t.ok(Math.abs(task.startsAt! - task.attempts[0]!.endedAt - 60_000) < 5000, `starts at ${task.startsAt}`)
    t.match(task.toJSON(), { attempt: 1, maxAttempts: 2, startsAt: new Date(task.startsAt!).toISOString(), error: { message: 'once more' } })
    await task.cancel()
  })

  const backoffs = [
    [200, [200, 200]],
    [{ type: 'fixed', delay: 200 }, [200, 200]],
    [{ type: 'exponential', delay: 100 }, [100, 200]]
  ] as const
  for (const [backoff, delays] of backoffs) {
    t.test(`runs are ${JSON.stringify(backoff)} apart`, async t => {
      const times: number[] = []
      const [here] = await buildFleet(t, engine, () => {
        times.push(Date.now())
        throw new Error('as told')
      }, { attempts: 3, backoff })
      await (await here.kind.addTask(1)).finished.catch(() => {})
      const waited = times.slice(1).map((time, i) => time - times[i]!)
      t.ok(waited.every((ms, i) => ms >= delays[i]! - 10), `${waited} for ${delays}`)
    })
  }

  t.test('with jitter a run comes sooner, never later', async t => {
    const [here] = await buildFleet(t, engine, () => { throw new Error('as told') }, { attempts: 2, backoff: { type: 'fixed', delay: 3_600_000, jitter: 0.5 } })
    const task = await here.kind.addTask(1)
    for await (const { attempt, status } of task.watch()) if (attempt === 1 && status === 'deferred') break
    const wait = task.startsAt! - task.attempts[0]!.endedAt
    t.ok(wait >= 1_800_000 && wait < 3_600_000, `it waits ${wait} ms`)
    await task.cancel()
  })

  t.test('a task that waits for its next run holds up no other', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, (_app, { data }) => {
      journal.write(`started ${data}`)
      if (data === 'failing') throw new Error('once more')
    }, { attempts: 2, backoff: 60_000, concurrency: 1, apps: 1 })
    const failing = await here.kind.addTask('failing')
    const other = await here.kind.addTask('other')
    await other.finished
    t.strictSame(journal.lines, ['started failing', 'started other'])
    await failing.cancel()
  })

  t.test('every run that fails is logged and passed to onError', async t => {
    const errors: unknown[] = []
    const [here] = await buildFleet(t, engine, (_app, task) => { throw new Error(`attempt ${task.attempt}`) }, {
      attempts: 3, apps: 1, core: { onError (error: any) { errors.push(error.message) } }
    })
    await (await here.kind.addTask(1, { name: 'failing' })).finished.catch(() => {})
    t.strictSame(errors, ['attempt 1', 'attempt 2', 'attempt 3'])
    t.strictSame(here.lines.filter(line => line.level >= 50).map(line => line.err?.message), errors)
  })
})
