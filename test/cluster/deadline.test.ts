import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

async function untilPast (time: number) {
  while (Date.now() <= time) await nextTurn()
}

const passed = { code: 'FST_ERR_TASK_DEADLINE', statusCode: 504 }

onEveryEngine(t, (t, engine) => {
  t.test('a task that runs when its deadline passes is aborted, and fails even if attempts are left', async t => {
    const reasons: unknown[] = []
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      task.signal.addEventListener('abort', () => { reasons.push(task.signal.reason) })
      return untilAborted(app, task)
    }, { attempts: 3, deadline: 500 })
    let task = await here.kind.addTask(1, { name: 'long' })
    await t.rejects(task.finished, passed)
    // On a busy machine the deadline may have passed before the run began.
    while (reasons.length === 0) {
      task = await here.kind.retryTask('long')
      await t.rejects(task.finished, passed)
    }
    t.match(reasons[0], { code: 'FST_ERR_TASK_DEADLINE', message: 'The deadline of task "long" has passed, 500 ms after it was due' })
    t.match(await there.kind.getTask('long'), { status: 'failed', attempt: 1, maxAttempts: 3 })
  })

  t.test('a task whose deadline passes while it waits fails without a run of its work', async t => {
    let runs = 0
    const [{ kind }] = await buildFleet(t, engine, () => { runs++ }, { apps: 1, deadline: 20 })
    await kind.pause()
    const task = await kind.addTask(1, { name: 'late' })
    await untilPast(task.createdAt + 20)
    t.equal((await kind.getTask('late')).status, 'deferred')
    await kind.resume()
    await t.rejects(task.finished, passed)
    t.equal(runs, 0)
  })

  t.test('the deadline counts from when a delayed task is due', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => 'ran', { apps: 1, deadline: 20 })
    const task = await kind.addTask(1, { name: 'delayed', delay: 3_600_000 })
    await untilPast(task.createdAt + 20)
    await kind.promoteTask('delayed')
    t.equal(await task.finished, 'ran')
  })

  t.test('the deadline of a scheduled task counts from its time', async t => {
    const [{ kind }] = await buildFleet(t, engine, untilAborted, { apps: 1, deadline: 1 })
    await kind.scheduleTask('often', { every: 1000 }, 1)
    let next
    do [next] = await kind.tasks({ status: 'deferred' })
    while (next === undefined) // one may be running just then
    await t.rejects(next.finished, passed)
    await kind.unscheduleTask('often')
  })

  t.test('an attempt is the last one if the next would start after the deadline: the task fails with its error', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => { throw new Error('no route') }, {
      apps: 1, attempts: 100, backoff: { type: 'exponential', delay: 2_000_000 }, deadline: 3_000_000
    })
    const task = await kind.addTask(1, { name: 'tried' })
    for await (const { status, attempt } of task.watch()) if (status === 'deferred' && attempt === 1) break
    await kind.promoteTask('tried')
    await t.rejects(task.finished, { message: 'no route' })
    t.match(await kind.getTask('tried'), { status: 'failed', attempt: 2, attempts: [{ attempt: 1 }, { attempt: 2 }] })
  })

  t.test('a task that is retried has its whole deadline again', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => 'ran', { apps: 1, deadline: 1000 })
    let task = await kind.addTask(1, { name: 'again' })
    await task.finished.catch(() => {})
    await untilPast(task.createdAt + 1000)
    do task = await kind.retryTask('again')
    while (await task.finished.catch(() => 'late') === 'late') // the machine may be busy
    t.equal(task.result, 'ran')
  })
})
