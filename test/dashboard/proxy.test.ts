import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import dashboard from '../../lib/dashboard/index.ts'
import { closeAfter, untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

/** The dashboard behind a proxy that knows it by another prefix. */
async function startProxied (t: Test, prefix: string, rewritePrefix: string) {
  const { app, url } = await startDashboard(t)
  const proxy = Fastify()
  closeAfter(t, proxy)
  await proxy.register(httpProxy, { upstream: new URL(url).origin, prefix, rewritePrefix })
  const address = await proxy.listen({ host: '127.0.0.1', port: 0 })
  return { app, address }
}

for (const [prefix, rewritePrefix, path] of [['/ops', '', '/ops/admin/tasks'], ['/ops', '/admin/tasks', '/ops'], ['/tasks', '/admin/tasks', '/tasks'], ['/deep/down/tasks', '/admin/tasks', '/deep/down/tasks']] as const) {
  t.test(`everything works behind a proxy that turns ${prefix} into ${rewritePrefix === '' ? 'nothing' : rewritePrefix}`, async t => {
    const { app, address } = await startProxied(t, prefix, rewritePrefix)
    const page = await fetch(`${address}${path}`)
    t.equal(page.url, `${address}${path}/`)
    const html = await page.text()
    for (const [, file] of html.matchAll(/\s(?:src|href)="([^"#]+)"/g)) {
      t.equal((await fetch(new URL(file!, page.url))).status, 200, file!)
    }
    app.addTask(untilAborted, { name: 'one' })
    const { tasks: [row] } = await getJson(`${page.url}tasks`)
    const events = await watch(t, `${page.url}events`)
    t.strictSame((await events.list()).tasks, [row])
    t.equal((await fetch(`${page.url}tasks/${row.id}`, { method: 'DELETE', headers: { 'sec-fetch-site': 'same-origin' } })).status, 202)
    t.match(await events.listWith(({ tasks }) => tasks[0]?.status === 'cancelled'), { counts: { cancelled: 1 } })
  })
}

t.test('a stream through a proxy ends with the app', async t => {
  const { app, address } = await startProxied(t, '/ops', '')
  const events = await watch(t, `${address}/ops/admin/tasks/events`)
  await events.list()
  await app.close()
  t.equal(await events.frame().catch(() => undefined), undefined)
})

for (const options of [{ routerOptions: { ignoreTrailingSlash: true } }, { routerOptions: { ignoreDuplicateSlashes: true } }, { routerOptions: { caseSensitive: false } }]) {
  t.test(`with ${JSON.stringify(options)} the page is found, without a loop of redirects`, async t => {
    const app = Fastify(options)
    closeAfter(t, app)
    await app.register(tasks).register(dashboard, { prefix: '/admin/tasks', onRequest: false })
    const address = await app.listen({ host: '127.0.0.1', port: 0 })
    const page = await fetch(`${address}/admin/tasks?status=failed`)
    t.equal(page.url, `${address}/admin/tasks/?status=failed`)
    t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  })
}

t.test('if the app rewrites URLs, the URL that the browser has sent decides whether a slash is missing', async t => {
  const app = Fastify({ rewriteUrl: ({ url }) => url!.replace(/^\/jobs/, '/admin/tasks') })
  closeAfter(t, app)
  await app.register(tasks).register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const page = await fetch(`${address}/jobs`)
  t.equal(page.url, `${address}/jobs/`)
  t.equal(page.status, 200)
})

t.test('no address leads to another host', async t => {
  const app = Fastify({ routerOptions: { ignoreDuplicateSlashes: true } })
  closeAfter(t, app)
  await app.register(tasks).register(dashboard, { prefix: '/admin/tasks', onRequest: false })
  for (const url of ['//admin/tasks', '///admin//tasks']) {
    const { statusCode, headers } = await app.inject(url)
    t.equal(statusCode, 302)
    t.match(headers.location, /^\/admin\/+tasks\/$/, url)
  }
})
