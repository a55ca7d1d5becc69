import { EventEmitter, once } from 'node:events'
import { Cron } from 'croner'
import t from 'tap'
import cron from '../../examples/cron.ts'
import { buildApp, untilAborted } from '../core/fixtures/app.ts'

const everySecond = '* * * * * *'

/** Resolves once the clock has struck so many full seconds. */
function seconds (count: number): Promise<void> {
  return new Promise(resolve => {
    let struck = 0
    new Cron(everySecond, { maxRuns: count }, () => { if (++struck === count) resolve() }) // eslint-disable-line no-new
  })
}

t.test('a run that fails is logged and does not end the schedule', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(cron, {
    name: 'clean-up',
    pattern: everySecond,
    async work () {
      if (++runs === 1) throw new Error('disk full')
      events.emit('next run')
    }
  })

  const next = once(events, 'next run')
  await app.ready()
  await next

  t.equal(app.getTask('clean-up').status, 'running')
  t.match(lines.filter(line => line.level > 30), [{ task: 'clean-up', msg: 'run failed', err: { message: 'disk full' } }])
})

t.test('runs do not overlap', async t => {
  const { app } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(cron, {
    name: 'clean-up',
    pattern: everySecond,
    async work () {
      runs++
      events.emit('run')
      await once(events, 'release')
    }
  })

  const first = once(events, 'run')
  await app.ready()
  await first
  await seconds(2)
  t.equal(runs, 1, 'what was due meanwhile is skipped')

  const second = once(events, 'run')
  events.emit('release')
  await second
  t.equal(runs, 2, 'what is due afterwards runs')
  events.emit('release')
})

t.test('cancelling the task between runs stops the schedule', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let runs = 0
  await app.register(cron, {
    name: 'clean-up',
    pattern: everySecond,
    async work () {
      runs++
      events.emit('run')
    }
  })

  const run = once(events, 'run')
  await app.ready()
  await run
  const task = app.getTask('clean-up')
  await task.cancel()
  const runsBefore = runs
  await seconds(2)

  t.equal(task.status, 'cancelled')
  t.equal(runs, runsBefore)
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('closing the app aborts the run in progress and waits for it', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  let cleanedUp = false
  await app.register(cron, {
    name: 'clean-up',
    pattern: everySecond,
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
  await app.close()

  t.ok(cleanedUp)
  t.equal(task.status, 'cancelled')
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('a last run that fails in its clean-up fails the task', async t => {
  const { app, lines } = await buildApp(t)
  const events = new EventEmitter()
  await app.register(cron, {
    name: 'clean-up',
    pattern: everySecond,
    async work (app, task) {
      events.emit('run')
      await untilAborted(app, task).catch(() => { throw new Error('cannot roll back') })
    }
  })

  const run = once(events, 'run')
  await app.ready()
  await run
  const task = app.getTask('clean-up')
  await task.cancel()

  t.equal(task.status, 'failed')
  t.match(lines.filter(line => line.level > 30), [{ msg: 'task failed', err: { message: 'cannot roll back' } }], 'once')
})

t.test('an invalid pattern fails the task', async t => {
  const { app } = await buildApp(t)
  await app.register(cron, { name: 'clean-up', pattern: 'every now and then', work: async () => {} })
  await app.ready()
  await app.tasks.idle()

  const task = app.getTask('clean-up')
  t.equal(task.status, 'failed')
  t.match(task.error, { name: 'TypeError', message: /CronPattern/ })
})

t.test('an app can register the plugin several times', async t => {
  const { app } = await buildApp(t)

  await app.register(cron, { pattern: everySecond, work: untilAborted })
  await app.register(cron, { pattern: everySecond, work: untilAborted })
  await app.ready()

  t.strictSame(Array.from(app.tasks, task => task.kind), ['cron', 'cron'])
})
