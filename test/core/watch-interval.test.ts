import { createHook } from 'node:async_hooks'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { TaskState } from '../../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { processEvents } from './fixtures/process-events.ts'
import { isPending } from './fixtures/is-pending.ts'

/** The timeouts that a call makes and that are not cleared. */
function timeoutsOf<T> (call: () => Promise<T>) {
  const timeouts = new Map<number, NodeJS.Timeout>()
  const hook = createHook({
    init (id, type, _trigger, resource) { if (type === 'Timeout') timeouts.set(id, resource as NodeJS.Timeout) },
    destroy (id) { timeouts.delete(id) }
  }).enable()
  const next = call()
  return { timeouts, next, disable: () => hook.disable() }
}

t.test('there is at most one state in the interval, and the last progress is not lost', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const beganAt = performance.now()
  const task = app.addTask(async function * () {
    for (let i = 1; performance.now() < beganAt + 200; i++) {
      yield i
      if (i % 1000 === 0) await immediate()
    }
    yield 'the last'
    await sleep(100)
  })

  const states: TaskState[] = []
  for await (const state of task.watch({ interval: 50 })) states.push(state)

  const intervals = Math.ceil((performance.now() - beganAt) / 50)
  t.ok(states.length >= 3 && states.length <= intervals + 2, `${states.length} states in ${intervals} intervals`)
  t.match(states[0], { status: 'running' })
  t.match(states.at(-1), { status: 'completed', progress: 'the last' })
})

t.test('changes within the interval become one, which comes when the interval is over', async t => {
  const { app } = await buildApp(t)
  await app.listen() // holds the process
  const task = app.addTask(untilAborted)
  const watch = task.watch({ interval: 50 })
  const beganAt = performance.now()
  await watch.next()
  const next = watch.next()
  for (let i = 1; i <= 100; i++) task.progress = i
  t.match(await next, { value: { progress: 100 } })
  t.ok(performance.now() - beganAt >= 50)
  t.equal(await isPending(watch.next()), true, 'there is nothing new')
})

t.test('a change after the interval comes at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const watch = task.watch({ interval: 1 })
  await watch.next()
  await sleep(20)
  task.progress = 1
  const { timeouts, next, disable } = timeoutsOf(() => watch.next())
  t.match(await next, { value: { progress: 1 } })
  disable()
  t.equal(timeouts.size, 0, 'without a timer')
})

t.test('the first and the settled state come at once, whatever the interval', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const warnings = processEvents(t, 'warning')
  for (const interval of [2_147_483_647, Infinity]) {
    const task = app.addTask(untilAborted)
    const watch = task.watch({ interval })
    t.match(await watch.next(), { value: { status: 'running' } })
    const next = watch.next()
    task.progress = 1
    t.equal(await isPending(next), true)
    await task.cancel()
    t.match(await next, { done: false, value: { status: 'cancelled', progress: 1 } })
    t.strictSame(await watch.next(), { done: true, value: undefined })
  }
  await immediate()
  t.strictSame(warnings, [])
})

t.test('its timer does not hold the process, and ends with the watch and with the task', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (const end of ['return', 'cancel'] as const) {
    const task = app.addTask(untilAborted)
    const watch = task.watch({ interval: 100_000 })
    await watch.next()
    task.progress = 1
    const { timeouts, next, disable } = timeoutsOf(() => watch.next())
    t.strictSame([...timeouts.values()].map(timeout => timeout.hasRef()), [false], 'one timer')
    task.progress = 2
    t.equal(timeouts.size, 1, 'still one')
    if (end === 'return') await watch.return()
    else await task.cancel()
    await next
    await immediate()
    t.equal(timeouts.size, 0, end)
    disable()
    await task.cancel()
  }
})
