import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

t.test('a paused page shows nothing new until it is resumed', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'Pause' }).click()
  t.equal(await page.locator('#connection').innerText(), 'Paused')
  const { page: other } = await openPage(t, url)
  app.addTask(untilAborted, { name: 'one' })
  await other.getByRole('row', { name: 'one' }).waitFor()
  t.equal(await page.getByRole('row', { name: 'one' }).count(), 0)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('row', { name: 'one' }).waitFor()
  t.equal(await page.locator('#connection').innerText(), 'Live')
  t.strictSame(problems, [])
})

t.test('a page that gets no stream polls', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { maxStreams: 1 })
  await openPage(t, url)
  const { page } = await openPage(t, url)
  await page.locator('#connection[data-state="polling"]').waitFor()
  app.addTask(untilAborted, { name: 'one' })
  await page.getByRole('row', { name: 'one' }).waitFor()
})

t.test('a lost connection is shown, and recovers', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page } = await openPage(t, url)
  await page.context().setOffline(true)
  await page.locator('#connection', { hasText: 'Lost' }).waitFor()
  await page.getByText('Connection lost', { exact: true }).waitFor()
  app.addTask(untilAborted, { name: 'one' })
  await page.context().setOffline(false)
  await page.locator('#connection', { hasText: 'Live' }).waitFor()
  await page.getByRole('row', { name: 'one' }).waitFor()
})

t.test('a server that is started again is found again', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page } = await openPage(t, url)
  await app.close()
  await page.locator('#connection', { hasText: 'Lost' }).waitFor()
  const { app: next } = await serveDashboard(t, {}, () => {}, Number(new URL(url).port))
  next.addTask(untilAborted, { name: 'one' })
  await page.locator('#connection', { hasText: 'Live' }).waitFor()
  await page.getByRole('row', { name: 'one' }).waitFor()
})
