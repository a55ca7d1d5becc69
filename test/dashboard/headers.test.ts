import helmet from '@fastify/helmet'
import t from 'tap'
import dashboard from '../../lib/dashboard/index.ts'
import { buildApp } from '../core/fixtures/app.ts'
import { startDashboard, watch } from './fixtures/dashboard.ts'

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const paths = ['/', '', '/style.css', '/main.js', '/tasks', '/tasks/none-1', '/tasks?limit=none', '/health', '/kinds']

for (const path of paths) {
  t.test(`GET <prefix>${path} has the headers`, async t => {
    const { url } = await startDashboard(t)
    const { headers } = await fetch(url + path, { redirect: 'manual' })
    t.equal(headers.get('content-security-policy'), policy)
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('referrer-policy'), 'no-referrer')
  })
}

t.test('events have the headers, and are kept by no cache and no proxy', async t => {
  const { url } = await startDashboard(t)
  const { response: { headers } } = await watch(t, `${url}/events`)
  t.equal(headers.get('content-security-policy'), policy)
  t.equal(headers.get('x-content-type-options'), 'nosniff')
  t.equal(headers.get('referrer-policy'), 'no-referrer')
  t.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store, no-transform')
  t.equal(headers.get('x-accel-buffering'), 'no')
})

t.test('a client that the hook turns away gets the headers, too', async t => {
  const { url } = await startDashboard(t, { onRequest: async (request, reply) => await reply.code(401).send('Who are you?') })
  const { status, headers } = await fetch(`${url}/`)
  t.equal(status, 401)
  t.equal(headers.get('content-security-policy'), policy)
})

for (const global of [true, false]) {
  t.test(`@fastify/helmet, global ${global}, changes nothing about the policy`, async t => {
    const { app } = await buildApp(t)
    await app.register(helmet, {
      global,
      contentSecurityPolicy: { directives: { scriptSrc: ["'self'", "'unsafe-inline'"] } },
      referrerPolicy: { policy: 'unsafe-url' }
    })
    await app.register(dashboard, { prefix: '/admin/tasks', onRequest: false })
    const address = await app.listen({ host: '127.0.0.1', port: 0 })
    const { headers } = await fetch(`${address}/admin/tasks/`)
    t.equal(headers.get('content-security-policy'), policy)
    t.equal(headers.get('referrer-policy'), 'no-referrer')
  })
}

for (const path of ['/tasks', '/tasks/none-1', '/health', '/kinds']) {
  t.test(`no cache keeps ${path}`, async t => {
    const { url } = await startDashboard(t)
    t.equal((await fetch(url + path)).headers.get('cache-control'), 'no-store')
  })
}
