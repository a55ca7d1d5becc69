import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openBlank, openPage, serveDashboard } from './fixtures/browser.ts'

t.test('a page whose script does not load says so', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const page = await openBlank(t)
  await page.route('**/*.js', route => route.abort())
  await page.goto(url)
  await page.getByText('The page’s script has not loaded').waitFor()
  t.equal(await page.getByText('Connecting').isVisible(), false)
})

t.test('a page whose server does not answer at first is built once', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const page = await openBlank(t)
  let isUp = false
  await page.route('**/health', async route => isUp ? await route.continue() : await route.abort())
  await page.goto(url)
  await page.getByText('The server does not answer', { exact: true }).waitFor()
  isUp = true
  await page.getByRole('row', { name: 'one' }).waitFor()
  t.equal(await page.locator('.tile').count(), 6)
  t.equal(await page.getByRole('combobox', { name: 'Rows of a page' }).count(), 1)
  t.equal(await page.getByText('The server does not answer').count(), 0)
})

t.test('an error in the page itself is shown, and the page is not built again', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const page = await openBlank(t)
  await page.route('**/health', route => route.fulfill({ json: null }))
  await page.goto(url)
  await page.getByText('The page has failed').waitFor()
  await page.getByRole('button', { name: 'Reload the page' }).waitFor()
  t.ok(await page.locator('.tile').count() <= 6)
})

t.test('someone who is not signed in is told so', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const page = await openBlank(t)
  await page.route('**/health', route => route.fulfill({ status: 302, headers: { location: '/login' } }))
  await page.goto(url)
  await page.getByText('You are signed out').waitFor()
  t.ok(await page.getByRole('button', { name: 'Reload the page' }).isVisible())
})

t.test('a value that the page does not know does not stay in the URL', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const { page } = await openPage(t, `${url}?status=evil&limit=7`)
  await page.waitForURL(url)
  t.pass()
})
