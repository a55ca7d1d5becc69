import t from 'tap'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  t.test('attempts says of each run when and where it ended, and with which error', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { attempt }) => {
      if (attempt < 3) throw Object.assign(new Error(`run ${attempt} failed`), { code: `E${attempt}` })
      return 'ran'
    }, { attempts: 5 })
    const task = await here.kind.addTask(1, { name: 'third time' })
    t.strictSame(task.attempts, [])
    t.equal(task.maxAttempts, 5)
    await task.finished
    const { attempts } = await there.kind.getTask('third time')
    t.match(attempts, [
      { attempt: 1, worker: { pid: process.pid }, error: { name: 'Error', message: 'run 1 failed', code: 'E1' } },
      { attempt: 2, worker: { pid: process.pid }, error: { message: 'run 2 failed' } },
      { attempt: 3, worker: { pid: process.pid }, error: undefined }
    ])
    for (const { startedAt, endedAt } of attempts) t.ok(startedAt! <= endedAt && endedAt <= Date.now() + 1000)
    const state = (await there.kind.getTask('third time')).toJSON()
    t.match(state, { attempt: 3, maxAttempts: 5 })
    t.equal(state.attempts[0]!.endedAt, new Date(attempts[0]!.endedAt).toISOString())
  })

  t.test('the last ten attempts are kept, and at most 1 kB of each error', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { attempt }) => {
      throw Object.assign(new Error(`${attempt}: ${'世'.repeat(5000)}`), { code: 'E'.repeat(5000) })
    }, { attempts: 13, apps: 1 })
    const task = await kind.addTask(1, { name: 'thirteen' })
    await t.rejects(task.finished)
    const { attempts } = await kind.getTask('thirteen')
    t.strictSame(attempts.map(({ attempt }) => attempt), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    for (const { error } of attempts) t.ok(Buffer.byteLength(JSON.stringify(error)) <= 1024)
  })

  t.test('a task between two attempts has its last error and startsAt, and promoteTask starts it at once', async t => {
    let mended = false
    const [here, there] = await buildFleet(t, engine, () => {
      if (!mended) throw new Error('not yet')
      return 'ran'
    }, { attempts: 2, backoff: 3_600_000 })
    const task = await here.kind.addTask(1, { name: 'backing off' })
    const waiting = await here.kind.getTask('backing off')
    for await (const { status, attempt } of waiting.watch()) if (status === 'deferred' && attempt === 1) break
    t.match(waiting.toJSON(), { status: 'deferred', attempt: 1, maxAttempts: 2, error: { message: 'not yet' }, attempts: [{ attempt: 1 }] })
    t.ok(waiting.startsAt! > Date.now() + 3_000_000)
    mended = true
    const promoted = await there.kind.promoteTask('backing off')
    t.equal(promoted.startsAt, undefined)
    t.equal(await task.finished, 'ran')
  })

  t.test('promoteTask starts a delayed task at once, and changes no other', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => 'ran', { apps: 1 })
    const task = await kind.addTask(1, { name: 'later', delay: 3_600_000 })
    await kind.promoteTask('later')
    t.equal(await task.finished, 'ran')
    t.equal((await kind.promoteTask('later')).status, 'completed')
    await t.rejects(kind.promoteTask('unknown'), { code: 'FST_ERR_TASK_NOT_FOUND' })
    t.equal(await kind.promoteTask('unknown', { optional: true }), undefined)
    await kind.scheduleTask('nightly', { cron: '0 3 1 1 *' }, 1)
    const [next] = await kind.tasks({ status: 'deferred' })
    t.equal((await kind.promoteTask(next!.name)).status, 'deferred')
    await kind.unscheduleTask('nightly')
  })
})
