import helmet from '@fastify/helmet'
import t from 'tap'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'
import { untilAborted } from '../core/fixtures/app.ts'

t.test('the page works under its own policy', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name: 'one' }).waitFor()
  t.strictSame(problems, [])
})

t.test('the page works beside @fastify/helmet', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, {}, app => app.register(helmet))
  app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name: 'one' }).waitFor()
  t.strictSame(problems, [])
})

t.test('its policy lets no script insert markup', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const { page } = await openPage(t, url)
  await t.rejects(page.evaluate("document.body.innerHTML = '<b>text</b>'"), /TrustedHTML/)
})
