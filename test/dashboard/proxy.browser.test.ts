import type { AddressInfo } from 'node:net'
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

t.test('the page works behind a proxy that strips a prefix', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const proxy = Fastify({ forceCloseConnections: true })
  t.teardown(() => proxy.close())
  await proxy.register(httpProxy, { upstream: new URL(url).origin, prefix: '/ops/shop', rewritePrefix: '/admin' })
  await proxy.listen({ port: 0, host: 'localhost' })
  const { port } = proxy.server.address() as AddressInfo

  const task = app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, `http://localhost:${port}/ops/shop/tasks`)
  t.equal(new URL(page.url()).pathname, '/ops/shop/tasks/')
  await page.getByRole('button', { name: 'Cancel one' }).click()
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByRole('row', { name: 'one' }).getByText('cancelled', { exact: true }).waitFor()
  t.equal(task.status, 'cancelled')
  t.strictSame(problems, [])
})
