import t, { type Test } from 'tap'
import type { FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import type { Inspection } from '../../lib/dashboard/wire.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

async function inspect (t: Test, outcome: unknown, data?: unknown, options: Partial<FastifyTasksDashboardOptions> = {}): Promise<Inspection & { statusCode?: number }> {
  const { app, url } = await startDashboard(t, options)
  const task = app.addTask(async () => {
    if (outcome instanceof Error || typeof outcome === 'string') throw outcome
    return outcome
  }, { name: 'one', data })
  await task.finished.catch(() => {})
  const { tasks: [row] } = await getJson(`${url}/tasks`)
  return await getJson(`${url}/tasks/${row.id}/inspect`)
}

t.test('the data and the result of a task are sent', async t => {
  t.strictSame(await inspect(t, { sum: 3 }, { terms: [1, 2] }), { data: { terms: [1, 2] }, result: { sum: 3 } })
})

t.test('the stack of an error and its causes are sent', async t => {
  const cause = Object.assign(new TypeError('no such host', { cause: 'a text' }), { code: 'ENOTFOUND' })
  const { error } = await inspect(t, new Error('no mail', { cause }))
  t.match(error, {
    name: 'Error',
    message: 'no mail',
    stack: /^Error: no mail\n {4}at /,
    cause: { name: 'TypeError', message: 'no such host', code: 'ENOTFOUND', stack: /inspection\.test/, cause: { message: 'a text' } }
  })
})

t.test('the errors of an AggregateError are sent, ten at most', async t => {
  const { error } = await inspect(t, new AggregateError(Array.from({ length: 11 }, (_, i) => new Error(`${i}`)), 'all'))
  t.strictSame(error!.errors!.map(({ message }) => message), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
})

t.test('causes in a circle end after five', async t => {
  const error = new Error('round')
  error.cause = error
  t.equal(JSON.stringify(await inspect(t, error)).match(/"stack"/g)!.length, 5)
})

t.test('of an error that cannot be read, what can be read is sent', async t => {
  const error = new Error('secretive')
  Object.defineProperty(error, 'cause', { get () { throw new Error('not this') } })
  t.match(await inspect(t, error), { error: { message: 'secretive' } })
})

t.test('anything that was thrown is sent', async t => {
  t.match(await inspect(t, 'just a text'), { error: { message: 'just a text' } })
})

t.test('a value that JSON cannot hold does not harm the others, and a long one is cut', async t => {
  const { data, result } = await inspect(t, { big: 1n }, 'x'.repeat(2 * 1024 * 1024))
  t.equal(result, '[unreadable]')
  t.equal((data as string).length, 1024 * 1024 + 1)
})

t.test('who may not inspect sees the state and no more', async t => {
  const { app, url } = await startDashboard(t, { authorize: (request, action) => action === 'view' })
  await app.addTask(async () => {}, { name: 'one', data: 'secret' }).finished
  const { tasks: [row] } = await getJson(`${url}/tasks`)
  t.strictSame((await getJson(`${url}/tasks/${row.id}`)).can, [])
  t.match(await getJson(`${url}/tasks/${row.id}/inspect`), { statusCode: 403, code: 'FST_ERR_TASK_FORBIDDEN', message: 'You may not inspect this' })
})

t.test('a task that is not there cannot be inspected', async t => {
  const { url } = await startDashboard(t)
  t.match(await getJson(`${url}/tasks/none-1/inspect`), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND' })
})

for (const [what, options, expected] of [
  ['serialize is given', { serialize: () => ({}) }, 404],
  ['inspect is false', { inspect: false }, 404],
  ['both are given', { serialize: () => ({}), inspect: true }, undefined]
] as const) {
  t.test(`where ${what} there is ${expected === undefined ? 'something' : 'nothing'} to inspect`, async t => {
    t.equal((await inspect(t, 1, 2, options)).statusCode, expected)
  })
}
