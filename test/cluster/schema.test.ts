import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { DataCheck } from '../../lib/cluster/data.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildApp, buildFleet } from './fixtures/fleet.ts'

const schema = {
  type: 'object',
  properties: { month: { type: 'integer', minimum: 1 }, year: { type: 'integer', default: 2026 } },
  required: ['month'],
  additionalProperties: false
} as const

onEveryEngine(t, (t, engine) => {
  t.test('the data that a validator returns must be JSON, too', async t => {
    for (const [value, path] of [[{ at: new Date() }, /at is a Date/], [{ n: 10n }, /n is a bigint/], [{ f () {} }, /f is a function/]] as const) {
      const { app } = await buildApp(t, engine)
      app.setValidatorCompiler(() => () => ({ value }))
      const kind = app.cluster.defineTask(`validated ${process.pid} ${Object.keys(value)[0]}`, () => 'ran', { schema: {} })
      await app.ready()
      await t.rejects(kind.addTask(1), { code: 'FST_ERR_TASK_INVALID_DATA', message: path })
      t.strictSame(await kind.tasks(), [])
    }
  })

  t.test('data that the schema of its kind refuses is not added', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data, { schema })
    for (const [data, message] of [[{}, /month/], [{ month: 'May' }, /month/], [{ month: 0 }, /month/], [null, /object/], [undefined, /object/]] as const) {
      await t.rejects(kind.addTask(data, { name: 'bad' }), { code: 'FST_ERR_TASK_INVALID_DATA', statusCode: 400, message })
    }
    await t.rejects(kind.addTasks([{ data: { month: 1 } }, { data: {} }]), { code: 'FST_ERR_TASK_INVALID_DATA' })
    t.strictSame(await kind.tasks(), [])
  })

  t.test('data is validated like a body: with defaults and converted types', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data, { schema })
    const data = { month: '5', other: 1 }
    const task = await kind.addTask(data)
    t.strictSame(await task.finished, { month: 5, year: 2026 })
    t.strictSame(data, { month: '5', other: 1 }, 'the caller keeps his own')
  })

  t.test('in a route bad data is answered like a bad body', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`validated ${process.pid}`, () => {}, { schema })
    app.post('/tasks', async request => kind.addTask(request.body as any))
    app.post('/bodies', { schema: { body: schema } }, async () => {})
    const [task, body] = await Promise.all(['/tasks', '/bodies'].map(url => app.inject({ method: 'POST', url, payload: { month: 0 } })))
    t.equal(task!.statusCode, 400)
    t.equal(task!.json().error, body!.json().error)
    t.match(task!.json().message, /month/)
  })

  t.test('a schema may refer to the shared schemas of the app', async t => {
    const { app } = await buildApp(t, engine)
    app.addSchema({ $id: 'month', type: 'integer', maximum: 12 })
    const kind = app.cluster.defineTask(`referring ${process.pid}`, (_app, { data }) => data, {
      schema: { type: 'object', properties: { month: { $ref: 'month#' } } }
    })
    await app.ready()
    t.strictSame(await (await kind.addTask({ month: 12 } as any)).finished, { month: 12 })
    await t.rejects(kind.addTask({ month: 13 } as any), { code: 'FST_ERR_TASK_INVALID_DATA' })
  })

  t.test('a schema that cannot be compiled is refused before the app is ready', async t => {
    const { app } = await buildApp(t, engine)
    app.cluster.defineTask(`wrong ${process.pid}`, () => {}, { schema: { type: 'nonsense' } })
    await t.rejects(Promise.resolve(app.ready()), { code: 'FST_ERR_TASK_INVALID_OPTION', message: `Option "schema" of kind "wrong ${process.pid}" cannot be compiled` })
  })
})

for (const [what, answer, expected] of [
  ['a value', { value: { month: 7 } }, { month: 7 }],
  ['a value that is falsy', { value: 0 }, 0],
  ['nothing', undefined, { month: 5 }]
] as const) {
  t.test(`a compiler of the app's own may return ${what}, as for a body`, async t => {
    const { app } = await buildApp(t, { name: 'local', connection: undefined })
    app.setValidatorCompiler((() => () => answer) as never)
    const kind = app.cluster.defineTask<unknown, unknown, unknown>('own', (_app, { data }) => data, { schema: {} })
    await app.ready()
    t.strictSame(await (await kind.addTask({ month: 5 })).finished, expected)
  })
}

for (const [what, answer, message] of [
  ['an error', { error: new Error('no such month') }, /no such month/],
  ['false, and nothing else', false, /invalid/]
] as const) {
  t.test(`a compiler of the app's own may refuse with ${what}`, async t => {
    const { app } = await buildApp(t, { name: 'local', connection: undefined })
    app.setValidatorCompiler((() => () => answer) as never)
    const kind = app.cluster.defineTask<unknown, unknown, unknown>('own', () => {}, { schema: {} })
    await app.ready()
    await t.rejects(kind.addTask({}), { code: 'FST_ERR_TASK_INVALID_DATA', message })
  })
}

t.test('if the internals of Fastify change, validatorCompiler is read alone', async t => {
  const app = { validatorCompiler: () => () => ({ value: 'compiled' }) } as unknown as FastifyInstance
  t.equal(new DataCheck('kind', app, {}).accept(1, 'task'), 'compiled')
})
