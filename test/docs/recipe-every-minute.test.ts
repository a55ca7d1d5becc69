import { EventEmitter, once } from 'node:events'
import t from 'tap'
import everyMinute from '../../examples/every-minute.ts'
import { buildApp, untilAborted } from '../core/fixtures/app.ts'

t.test('the work runs again and again, until its task is cancelled', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1,
    async work () { if (++runs === 3) events.emit('third run') }
  })

  const third = once(events, 'third run')
  await app.ready()
  await third
  const task = app.getTask('clean-up')
  await task.cancel()

  t.equal(task.status, 'cancelled')
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('runs do not overlap', async t => {
  const { app } = await buildApp(t)
  const events = new EventEmitter()
  let running = 0
  let most = 0
  let runs = 0
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1,
    async work () {
      most = Math.max(most, ++running)
      await new Promise(resolve => setTimeout(resolve, 5))
      running--
      if (++runs === 3) events.emit('third run')
    }
  })

  const third = once(events, 'third run')
  await app.ready()
  await third

  t.equal(most, 1)
})

t.test('no delayed run starts after the cancellation', async t => {
  const { app } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1,
    async work () {
      runs++
      await new Promise(resolve => setTimeout(resolve, 10))
      events.emit('ten intervals later')
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  })

  const heldUp = once(events, 'ten intervals later')
  await app.ready()
  await heldUp
  await app.cancelTask('clean-up')

  t.equal(runs, 1)
})

t.test('a run that fails is logged, and the next one starts', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1,
    async work () {
      if (++runs === 1) throw new Error('no such table')
      events.emit('next run')
    }
  })

  const next = once(events, 'next run')
  await app.ready()
  await next

  t.equal(app.getTask('clean-up').status, 'running')
  t.match(lines.filter(line => line.level > 30), [
    { task: 'clean-up', msg: 'run failed', err: { message: 'no such table' } }
  ])
})

t.test('cancelling the task reaches the run in progress and waits for it', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let cleanedUp = false
  await app.register(everyMinute, {
    name: 'clean-up',
    interval: 1,
    async work (app, task) {
      events.emit('run')
      try {
        await untilAborted(app, task)
      } finally {
        await new Promise(resolve => setImmediate(resolve))
        cleanedUp = true
      }
    }
  })

  const run = once(events, 'run')
  await app.ready()
  await run
  const task = app.getTask('clean-up')
  await task.cancel()

  t.equal(task.status, 'cancelled')
  t.ok(cleanedUp)
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('closing the app ends the wait for the next minute', async t => {
  const { app } = await buildApp(t)
  await app.register(everyMinute, { name: 'clean-up', async work () { t.fail('no minute has passed') } })
  await app.ready()
  const task = app.getTask('clean-up')

  await app.close()

  t.equal(task.status, 'cancelled')
})

t.test('an app can register the plugin several times', async t => {
  const { app } = await buildApp(t)

  await app.register(everyMinute, { work: untilAborted })
  await app.register(everyMinute, { work: untilAborted })
  await app.ready()

  t.strictSame(Array.from(app.tasks, task => task.kind), ['every-minute', 'every-minute'])
})
