import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

const names = (tasks: { name: string }[]) => tasks.map(task => task.name)

onEveryEngine(t, (t, engine) => {
  t.test('a kind without tasks lists and counts none', async t => {
    const [, there] = await buildFleet(t, engine, () => {})
    t.strictSame(await there.kind.tasks(), [])
    t.strictSame(await there.kind.count(), { deferred: 0, running: 0, completed: 0, failed: 0 })
    t.equal(await there.kind.purgeTasks(), 0)
  })

  async function oneOfEach (t: Parameters<typeof buildFleet>[0]) {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (app, task) => {
      journal.write(`started ${task.data}`)
      if (task.data === 'failed') throw new Error('as told')
      return task.data === 'running' ? untilAborted(app, task) : undefined
    }, { concurrency: 1, apps: 1 })
    for (const data of ['completed 1', 'failed', 'completed 2']) await (await here.kind.addTask(data, { name: data })).finished.catch(() => {})
    await (await here.kind.addTask('cancelled', { name: 'cancelled', delay: 60_000 })).cancel()
    await here.kind.addTask('running', { name: 'running' })
    await journal.until('started running')
    await here.kind.addTask('delayed', { name: 'delayed', delay: 60_000 })
    await here.kind.addTask('waiting 1', { name: 'waiting 1' })
    await here.kind.addTask('waiting 2', { name: 'waiting 2' })
    return [here, there] as const
  }

  t.test('tasks are listed running first, then deferred, then failed and cancelled, then completed, the latest first', async t => {
    const [, there] = await oneOfEach(t)
    const tasks = await there.kind.tasks()
    t.strictSame(names(tasks), ['running', 'waiting 1', 'waiting 2', 'delayed', 'cancelled', 'failed', 'completed 2', 'completed 1'])
    t.strictSame(tasks.map(task => task.status), [
      'running', 'deferred', 'deferred', 'deferred', 'cancelled', 'failed', 'completed', 'completed'
    ])
    t.strictSame(tasks.map(task => task.data), names(tasks))
  })

  t.test('tasks are listed by the start of their names, whatever characters are in it', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const long = `a:%${'é'.repeat(600)}` // longer than an id
    const added = ['a:%1', 'b:%1', 'a:%2', long, 'a', 'a:%3']
    for (const name of added) await here.kind.addTask(1, { name })
    await here.kind.scheduleTask('a:%s', { every: 86_400_000 })
    const run = (await here.kind.tasks()).at(-1)!.name
    t.strictSame(names(await there.kind.tasks({ name: 'a:%' })), ['a:%1', 'a:%2', long, 'a:%3', run])
    t.strictSame(names(await there.kind.tasks({ name: 'a:%', offset: 1, limit: 2 })), ['a:%2', long])
    t.strictSame(names(await there.kind.tasks({ name: `${long}x` })), [])
    t.strictSame(names(await there.kind.tasks({ name: 'b', status: 'completed' })), [])
    t.strictSame(names(await there.kind.tasks({ name: 'a:%', limit: 0 })), [])
    await here.kind.cancelTask('a:%2')
    t.strictSame(names(await there.kind.tasks({ name: 'a:%', status: 'cancelled' })), ['a:%2'])
    t.strictSame(names(await there.kind.tasks({ name: 'a:%2', status: 'deferred' })), [])
    await here.kind.unscheduleTask('a:%s')
  })

  t.test('tasks are counted, cancelled ones with the failed', async t => {
    const [, there] = await oneOfEach(t)
    t.strictSame(await there.kind.count(), { deferred: 3, running: 1, completed: 2, failed: 2 })
  })

  t.test('tasks are filtered by status', async t => {
    const [, there] = await oneOfEach(t)
    const cases = {
      running: ['running'],
      cancelling: [],
      deferred: ['waiting 1', 'waiting 2', 'delayed'],
      failed: ['failed'],
      cancelled: ['cancelled'],
      completed: ['completed 2', 'completed 1']
    } as const
    for (const [status, expected] of Object.entries(cases)) {
      t.strictSame(names(await there.kind.tasks({ status: [status as keyof typeof cases] })), expected, status)
    }
    t.strictSame(names(await there.kind.tasks({ status: ['completed', 'running', 'cancelled'] })), ['running', 'cancelled', 'completed 2', 'completed 1'])
    t.strictSame(names(await there.kind.tasks({ status: 'failed' })), ['failed'])
    t.strictSame(await there.kind.tasks({ status: [] }), [])
  })

  t.test('tasks are listed in pages', async t => {
    const [, there] = await oneOfEach(t)
    const all = names(await there.kind.tasks())
    for (const limit of [1, 3, 8, 100]) {
      const pages = []
      for (let offset = 0; offset < all.length; offset += limit) {
        const page = await there.kind.tasks({ offset, limit })
        t.ok(page.length <= limit)
        pages.push(...names(page))
      }
      t.strictSame(pages, all, `limit ${limit}`)
    }
    t.strictSame(await there.kind.tasks({ offset: 8 }), [])
    t.strictSame(await there.kind.tasks({ limit: 0 }), [])
    t.strictSame(names(await there.kind.tasks({ status: ['completed', 'deferred'], offset: 2, limit: 2 })), ['delayed', 'completed 2'])
  })

  t.test('a page of failed or cancelled tasks skips the others', async t => {
    const [here, there] = await buildFleet(t, engine, () => { throw new Error('as told') }, { apps: 1, concurrency: 1 })
    for (let i = 0; i < 6; i++) {
      if (i % 2 === 0) await (await here.kind.addTask(i, { name: `failed ${i}` })).finished.catch(() => {})
      else await (await here.kind.addTask(i, { name: `cancelled ${i}`, delay: 60_000 })).cancel()
    }
    t.strictSame(names(await there.kind.tasks({ status: ['failed'], offset: 1, limit: 2 })), ['failed 2', 'failed 0'])
    t.strictSame(names(await there.kind.tasks({ status: ['cancelled'], limit: 2 })), ['cancelled 5', 'cancelled 3'])
  })

  t.test('tasks that were cancelled before they started are found in front of all that wait', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTasks(Array.from({ length: 20 }, (_, data) => ({ data, name: `waits ${data}` })))
    for (const name of ['waits 3', 'waits 15']) await there.kind.cancelTask(name)
    t.strictSame(names(await there.kind.tasks({ status: 'cancelled', limit: 3 })), ['waits 15', 'waits 3'])
    t.strictSame(names(await there.kind.tasks({ status: 'cancelled', offset: 1, limit: 1 })), ['waits 3'])
    t.strictSame(names(await there.kind.tasks({ status: 'cancelled', offset: 2, limit: 1 })), [])
  })

  t.test('all settled tasks are kept if maxSettled is Infinity', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { maxSettled: Infinity })
    await here.kind.addTasks(Array.from({ length: 30 }, (_, data) => ({ data })))
    await here.kind.idle()
    t.equal((await here.kind.count()).completed, 30)
  })

  t.test('a page has a hundred tasks by default', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTasks(Array.from({ length: 120 }, (_, data) => ({ data })))
    t.equal((await there.kind.tasks()).length, 100)
    t.equal((await there.kind.tasks({ offset: 100 })).length, 20)
    t.equal((await there.kind.tasks({ limit: 1000 })).length, 120)
  })

  t.test('a list is a reply by itself', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTask('secret', { name: 'mine' })
    const states = JSON.parse(JSON.stringify(await here.kind.tasks()))
    t.match(states, [{ name: 'mine', status: 'deferred' }])
    t.equal('data' in states[0], false)
  })

  t.test('purgeTasks drops every settled task, and no other', async t => {
    const [here, there] = await oneOfEach(t)
    t.equal(await there.kind.purgeTasks(), 4)
    t.strictSame(names(await here.kind.tasks()), ['running', 'waiting 1', 'waiting 2', 'delayed'])
    t.strictSame(await there.kind.count(), { deferred: 3, running: 1, completed: 0, failed: 0 })
    t.equal(await there.kind.getTask('failed', { optional: true }), undefined)
  })

  t.test('purgeTasks drops tasks that were cancelled before they started, even if no process works', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    for (const name of ['waits', 'delayed']) await here.kind.addTask(1, { name, delay: name === 'delayed' ? 60_000 : 0 })
    await here.kind.addTask(1, { name: 'stays' })
    for (const name of ['waits', 'delayed']) await there.kind.cancelTask(name)
    t.equal(await there.kind.purgeTasks(), 2)
    t.strictSame(names(await here.kind.tasks()), ['stays'])
    t.equal(await here.kind.getTask('waits', { optional: true }), undefined)
  })

  t.test('about maxSettled settled tasks are kept, the latest', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { maxSettled: 10 }, concurrency: 1, apps: 1 })
    for (let i = 0; i < 60; i++) await (await here.kind.addTask(i, { name: `task ${i}` })).finished
    const { completed } = await there.kind.count()
    t.ok(completed >= 10 && completed <= 30, `${completed} are kept`)
    t.equal((await there.kind.getTask('task 59')).status, 'completed')
    t.equal(await there.kind.getTask('task 0', { optional: true }), undefined)
  })

  t.test('a kind may keep another number of settled tasks', async t => {
    const [here, there] = await buildFleet(t, engine, () => { throw new Error('as told') }, { maxSettled: 5, concurrency: 1, apps: 1 })
    for (let i = 0; i < 40; i++) await (await here.kind.addTask(i, { name: `task ${i}` })).finished.catch(() => {})
    const { failed } = await there.kind.count()
    t.ok(failed >= 5 && failed <= 25, `${failed} are kept`)
    t.equal((await there.kind.getTask('task 39')).status, 'failed')
  })

  t.test('which tasks are kept does not depend on how they ended', async t => {
    const [here] = await buildFleet(t, engine, (_app, { data }) => {
      if (data % 3 === 0) throw new Error('as told')
    }, { maxSettled: 8, concurrency: 1, apps: 1 })
    for (let i = 0; i < 60; i++) await (await here.kind.addTask(i, { name: `task ${i}` })).finished.catch(() => {})
    for (const kept of [58, 59, 57]) t.equal((await here.kind.getTask(`task ${kept}`)).settled, true)
    for (const dropped of [0, 1, 2, 3]) t.equal(await here.kind.getTask(`task ${dropped}`, { optional: true }), undefined)
  })

  t.test('finished resolves even if no settled task is kept', async t => {
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async (_app, { data }) => {
      await gate.promise
      return data
    }, { maxSettled: 0 })
    const tasks = await here.kind.addTasks(Array.from({ length: 20 }, (_, data) => ({ data })))
    const results = Promise.all(tasks.map(task => task.finished))
    await here.kind.count()
    gate.resolve()
    t.strictSame(await results, Array.from({ length: 20 }, (_, i) => i))
  })

  t.test('bad options of a list are refused', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {})
    for (const options of [{ limit: -1 }, { limit: 1.5 }, { offset: -1 }, { offset: '1' }, { status: ['done'] }, { status: 'done' }, { status: 5 }, { statsu: ['running'] }] as any[]) {
      await t.rejects(kind.tasks(options), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    }
    const single: any = { data: 1 } // JavaScript lets one pass it
    await t.rejects(kind.addTasks(single), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /must be an array/ })
  })
})
