import { connect, type AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import t from 'tap'
import tasks from '../../index.ts'
import type { FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import dashboard from '../../lib/dashboard/index.ts'
import { buildApp } from '../core/fixtures/app.ts'

async function statusFor (t: Parameters<typeof buildApp>[0], headers: Record<string, string>, options: Partial<FastifyTasksDashboardOptions> = {}) {
  const { app } = await buildApp(t)
  await app.register(dashboard, { prefix: '/tasks', onRequest: false, ...options })
  const reply = await app.inject({ url: '/tasks/health', headers })
  return { status: reply.statusCode, code: reply.json().code }
}

for (const host of ['localhost', 'localhost:3000', 'LOCALHOST', 'tasks.localhost', '127.0.0.1:3000', '10.0.0.7', '[::1]:3000', 'worker-7', hostname()]) {
  t.test(`a page that is open to everyone answers for the host ${host}`, async t => {
    t.match(await statusFor(t, { host }), { status: 200 })
  })
}

for (const host of ['evil.example', 'evil.example:3000', '127.0.0.1.evil.example', 'localhost.evil.example', 'a b']) {
  t.test(`a page that is open to everyone does not answer for the host "${host}"`, async t => {
    t.strictSame(await statusFor(t, { host }), { status: 403, code: 'FST_ERR_TASK_HOST' })
  })
}

t.test('a page cannot give itself another host', async t => {
  t.match(await statusFor(t, { host: 'evil.example', 'x-forwarded-host': 'localhost' }), { status: 403 })
})

t.test('the host of a trusted origin is answered', async t => {
  const origins = ['https://ops.example.com']
  t.match(await statusFor(t, { host: 'ops.example.com' }, { origins }), { status: 200 })
  t.match(await statusFor(t, { host: 'evil.example' }, { origins }), { status: 403 })
})

t.test('a guarded dashboard answers for any host', async t => {
  t.match(await statusFor(t, { host: 'ops.example.com' }, { onRequest: async () => {} }), { status: 200 })
})

for (const [protocol, origin, status] of [['https', 'http', 403], ['https', 'https', 200], ['http', 'https', 200], ['http', 'http', 200]] as const) {
  t.test(`a change that a page of ${origin} sends to a server of ${protocol} is ${status === 200 ? 'let through' : 'refused'}`, async t => {
    const app = Fastify({ trustProxy: true })
    t.teardown(() => app.close())
    await app.register(tasks)
    await app.register(dashboard, { prefix: '/tasks', onRequest: async () => {} })
    const { statusCode } = await app.inject({
      method: 'DELETE',
      url: '/tasks/tasks?status=settled',
      headers: { host: 'ops.example.com', origin: `${origin}://ops.example.com`, 'x-forwarded-proto': protocol }
    })
    t.equal(statusCode, status)
  })
}

t.test('a request of HTTP/1.0 without a host is answered', async t => {
  const { app } = await buildApp(t)
  await app.register(dashboard, { prefix: '/tasks', onRequest: false })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.end('GET /tasks/health HTTP/1.0\r\n\r\n')
  t.match(await text(socket), /^HTTP\/1\.[01] 200/)
})
