import t from 'tap'
import { SIDE_QUEUE } from '../../lib/cluster/bullmq/engine.ts'
import { encodeName, jobIdOf } from '../../lib/cluster/bullmq/ids.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildApp, buildFleet, prefix } from './fixtures/fleet.ts'
import { openQueue } from './fixtures/queues.ts'

const echo = (_app: unknown, task: { data: unknown }) => task.data

onEveryEngine(t, (t, engine) => {
  const names = [
    '5', '0', '-1', '1e3', 'a:b', ':', '::', '__proto__', 'constructor', 'toString', ' ', 'a b', '%', '%3A', 'a/b?c#d', '*', '{x}', '[a-z]',
    'nightly@2026-01-01T00:00:00.000Z', 'Zürich', '日本 🐘', 'é', 'e\u0301', '"quoted\'', '\\', '\n', 'null', 'undefined', 'x'.repeat(2000), '🐘'.repeat(1000)
  ]

  t.test('any non-empty string is a name, and different strings are different names', async t => {
    const [here, there] = await buildFleet(t, engine, echo)
    await Promise.all(names.map(async (name, i) => {
      const task = await here.kind.addTask(i, { name })
      t.equal(task.name, name)
    }))
    for (const [i, name] of names.entries()) {
      const task = await there.kind.getTask(name)
      t.equal(task.name, name)
      t.equal(task.data, i)
      t.equal(await task.finished, i)
    }
    t.equal(await there.kind.purgeTasks(), names.length)
  })

  t.test('a name of any string is cancelled, and listed, under that name', async t => {
    const [here, there] = await buildFleet(t, engine, echo, { plugin: { work: false } })
    await here.kind.addTasks(names.map((name, i) => ({ data: i, name })))
    for (const name of names) await there.kind.cancelTask(name)
    const cancelled = await here.kind.tasks({ status: ['cancelled'] })
    t.strictSame(cancelled.map(task => task.name).sort(), [...names].sort())
  })

  t.test('a string that is no valid Unicode is a name, too', async t => {
    const [here, there] = await buildFleet(t, engine, echo)
    for (const name of ['\0', 'a\0b', '\ud800', '\udc00\ud800']) {
      await here.kind.addTask(1, { name })
      const task = await there.kind.getTask(name)
      t.equal(task.name, name)
      t.equal(await task.finished, 1)
    }
  })

  t.test('a task without a name gets one, and is found by it', async t => {
    const [here, there] = await buildFleet(t, engine, echo)
    const [a, b] = [await here.kind.addTask('a'), await here.kind.addTask('b')]
    t.match(a.name, /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/)
    t.not(a.name, b.name)
    t.equal(await (await there.kind.getTask(a.name)).finished, 'a')
  })

  t.test('no task has an empty name, so who looks for it finds none', async t => {
    const [{ kind }] = await buildFleet(t, engine, echo, { apps: 1 })
    await kind.scheduleTask('daily', { every: 86_400_000 })
    const task = await kind.addTask(1, { name: 'a' })
    await task.finished
    const verbs = ['getTask', 'cancelTask', 'retryTask', 'promoteTask', 'unscheduleTask'] as const
    for (const verb of verbs) {
      await t.rejects(async () => { await kind[verb]('') }, { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404, message: 'There is no task ""' }, verb)
      t.equal(await kind[verb]('', { optional: true }), undefined, verb)
    }
    t.equal(await kind.purgeTasks({ name: '' }), 0)
    t.strictSame((await kind.tasks({ name: '', status: 'completed' })).map(({ name }) => name), ['a'], 'every name begins with nothing')
    t.equal((await kind.schedules()).length, 1)
    await t.rejects(kind.addTask(1, { name: '' }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  })

  t.test('kinds do not share their names', async t => {
    const { app } = await buildApp(t, engine)
    const one = app.cluster.defineTask(`one ${process.pid}`, () => 'one')
    const two = app.cluster.defineTask(`two ${process.pid}`, () => 'two')
    await app.ready()
    const tasks = await Promise.all([one.addTask(null, { name: 'same' }), two.addTask(null, { name: 'same' })])
    t.strictSame(await Promise.all(tasks.map(task => task.finished)), ['one', 'two'])
    await one.cancelTask('same')
    t.equal((await two.getTask('same')).result, 'two')
  })

  t.test('any non-empty string is the name of a kind, too', async t => {
    const { app } = await buildApp(t, engine)
    const kinds = ['a:b', '__proto__', '5', '日本', 'a b', '{x}', 'k'.repeat(200)].map(kind => app.cluster.defineTask(kind, () => kind))
    await app.ready()
    for (const kind of kinds) {
      const task = await kind.addTask(null)
      t.equal(await task.finished, task.kind)
    }
  })

  t.test('what is no name is refused', async t => {
    const [{ kind }] = await buildFleet(t, engine, echo)
    for (const name of [5, null, {}, Symbol('name')] as string[]) {
      const code = 'FST_ERR_TASK_INVALID_OPTION'
      await t.rejects(kind.addTask(1, { name }), { code })
      await t.rejects(kind.getTask(name), { code })
      await t.rejects(kind.cancelTask(name), { code })
    }
    t.strictSame(await kind.tasks(), [])
  })

  t.test('an unknown name is an error that is a 404, unless it is optional', async t => {
    const [{ kind }] = await buildFleet(t, engine, echo)
    const error = { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404, message: /"nobody"/ }
    await t.rejects(kind.getTask('nobody'), error)
    await t.rejects(kind.cancelTask('nobody'), error)
    t.equal(await kind.getTask('nobody', { optional: true }), undefined)
    t.equal(await kind.cancelTask('nobody', { optional: true }), undefined)
  })

  t.test('two prefixes on one server see nothing of each other', async t => {
    const apps = []
    for (const prefix of [`one${process.pid}`, `two${process.pid}`]) {
      const { app } = await buildApp(t, engine, { prefix })
      const kind = app.cluster.defineTask('report', () => prefix)
      await app.ready()
      apps.push(kind)
    }
    const [one, two] = apps
    const task = await one!.addTask(null, { name: 'same' })
    t.equal(await task.finished, `one${process.pid}`)
    t.equal(await two!.getTask('same', { optional: true }), undefined)
    t.equal(await (await two!.addTask(null, { name: 'same' })).finished, `two${process.pid}`)
  })

  if (engine.connection === undefined) return

  t.test('a read of a name waits while another process replaces its task, but not for ever if that process has died', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const side = await openQueue(t, engine, prefix, SIDE_QUEUE)
    const began = Date.now()
    await side.add('claim', {}, { deduplication: { id: `${encodeName(here.kind.name)}:${jobIdOf('claimed')}`, ttl: 300 } })
    t.equal(await here.kind.getTask('claimed', { optional: true }), undefined)
    t.ok(Date.now() - began >= 300)
  })
})
