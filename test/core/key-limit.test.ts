import { EventEmitter, once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { errors, type Task, type TaskLimit, type TaskWork } from '../../index.ts'
import { KeyLimits } from '../../lib/core/key-limits.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'

const full = { code: 'FST_ERR_TASK_LIMIT', statusCode: 429 }
const limit: TaskLimit = { key: 'user:ada', max: 2 }

t.test('a task beyond the limit of its key is refused, and its work does not run', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  app.addTask(untilAborted, { limit })
  app.addTask(untilAborted, { limit })
  let ran = false

  t.throws(() => app.addTask(() => { ran = true }, { limit, name: 'third' }), {
    ...full,
    message: 'Cannot add task "third": 2 tasks with the same limit key have not ended, and more are not allowed'
  })
  t.throws(() => app.addTask(() => { ran = true }, { limit }), errors.FST_ERR_TASK_LIMIT)

  t.equal(ran, false)
  t.equal(app.tasks.size, 2)
})

t.test('keys are counted apart, and tasks without a limit are not counted', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (let i = 0; i < 5; i++) app.addTask(untilAborted)
  for (const key of ['user:ada', 'user:grace', '__proto__']) {
    app.addTask(untilAborted, { limit: { key, max: 1 } })
    t.throws(() => app.addTask(untilAborted, { limit: { key, max: 1 } }), full)
  }
})

t.test('each call says its own max', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const add = (max: number) => app.addTask(untilAborted, { limit: { key: 'user:ada', max } })
  add(1)
  t.throws(() => add(1), full)
  add(2)
  add(Infinity)
  t.throws(() => add(3), full)
})

t.test('of requests that come together, exactly as many get a place as the limit allows', async t => {
  const { app } = await buildApp(t)
  app.post('/imports', async (request, reply) => reply.code(202).send(app.addTask(untilAborted, { limit })))
  app.post('/mails', async (request, reply) => reply.code(202).send(app.addTask(untilAborted, { limit, after: reply })))
  const codes = await Promise.all(['/imports', '/mails', '/imports', '/mails', '/imports'].map(async url => (await app.inject({ method: 'POST', url })).statusCode))
  t.strictSame(codes.sort(), [202, 202, 429, 429, 429])
})

t.test('the reply is a 429 with the code', async t => {
  const { app } = await buildApp(t)
  app.get('/', async () => app.addTask(untilAborted, { limit: { key: 'user:ada', max: 1 } }))
  await app.inject('/')

  const response = await app.inject('/')

  t.equal(response.statusCode, 429)
  t.strictSame(response.json(), {
    statusCode: 429,
    code: 'FST_ERR_TASK_LIMIT',
    error: 'Too Many Requests',
    message: 'Cannot add an unnamed task: 1 tasks with the same limit key have not ended, and more are not allowed'
  })
})

const end = new EventEmitter()
const works: Record<string, () => TaskWork<unknown, FastifyInstance>> = {
  'a promise': () => once(end, 'end'),
  'a function': () => async () => { await once(end, 'end') },
  'an async generator': () => async function * () { yield once(end, 'end') },
  'a generator object': () => (async function * () { yield once(end, 'end') })()
}

for (const [what, work] of Object.entries(works)) {
  t.test(`${what} counts until it has settled`, async t => {
    const { app } = await buildApp(t)
    const add = () => app.addTask(work(), { limit: { key: 'user:ada', max: 1 } })
    await app.ready()
    for (let i = 0; i < 3; i++) {
      const task = add()
      t.throws(add, full)
      end.emit('end')
      await task.finished
    }
  })
}

t.test('a task that has settled when addTask returns leaves its place at once', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  for (let i = 0; i < 3; i++) app.addTask(() => {}, { limit: { key: 'user:ada', max: 1 }, name: 'report' })
  app.addTask(() => { throw new Error('failed') }, { limit: { key: 'user:ada', max: 1 } })
  t.doesNotThrow(() => app.addTask(() => {}, { limit: { key: 'user:ada', max: 1 } }))
})

t.test('a task counts while its work adds others', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(app => {
    t.throws(() => app.addTask(() => {}, { limit: { key: 'user:ada', max: 1 } }), full)
  }, { limit: { key: 'user:ada', max: 1 } })
  t.equal(task.status, 'completed')
})

t.test('deferred tasks count, and leave their place when they are cancelled', async t => {
  const { app } = await buildApp(t)
  const [first] = [app.addTask(untilAborted, { limit }), app.addTask(untilAborted, { limit, register: false })]
  t.throws(() => app.addTask(untilAborted, { limit }), full)
  await first!.cancel()
  t.doesNotThrow(() => app.addTask(untilAborted, { limit }))
  await app.ready()
  t.throws(() => app.addTask(untilAborted, { limit }), full)
})

t.test('cancelled tasks count until their work has ended', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 0 })
  await app.ready()
  const stuck = app.addTask(deaf, { limit: { key: 'user:ada', max: 1 }, name: 'stuck' })
  await t.rejects(stuck.cancel(), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
  t.throws(() => app.addTask(() => {}, { limit: { key: 'user:ada', max: 1 } }), full)
  t.throws(() => app.addTask(() => {}, { limit: { key: 'user:ada', max: 1 }, name: 'stuck', onDuplicate: 'replace' }), full)
  t.equal(app.getTask('stuck'), stuck, 'a refused one takes no name')
})

t.test('keep returns the task that has the name, whatever the limit', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const options = { limit: { key: 'user:ada', max: 1 }, name: 'report', onDuplicate: 'keep' } as const
  const task: Task = app.addTask(untilAborted, options)
  t.equal(app.addTask(untilAborted, options), task)
})

t.test('a task that is refused takes no place', async t => {
  const { app } = await buildApp(t, { maxTasks: 1 })
  const tight = { limit: { key: 'user:ada', max: 1 } }
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'other' })
  t.throws(() => app.addTask(untilAborted, { ...tight, name: 'other' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  t.throws(() => app.addTask(untilAborted, tight), { code: 'FST_ERR_TASK_LIMIT', statusCode: 503 })
  await task.cancel()
  t.doesNotThrow(() => app.addTask(untilAborted, tight))
})

t.test('a key is forgotten with its last unsettled task', async t => {
  const limits = new KeyLimits()
  for (const key of ['a', 'b', 'a']) limits.add(key)
  t.throws(() => limits.check({ key: 'a', max: 2 }, 'a task'), full)
  for (const key of ['a', 'b', 'a']) limits.remove(key)
  t.doesNotThrow(() => limits.check({ key: 'a', max: 1 }, 'a task'))
  t.doesNotThrow(() => limits.check({ key: 'b', max: 1 }, 'a task'))
})
