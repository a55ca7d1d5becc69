import t, { type Test } from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

async function serveThree (t: Test) {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'mail:1', kind: 'mail' })
  app.addTask(untilAborted, { name: 'report:1', kind: 'report' })
  app.addTask(() => {}, { name: 'mail:2', kind: 'mail' })
  return url
}

t.test('filters are in the URL, and survive a reload', inBrowser, async t => {
  const { page, problems } = await openPage(t, await serveThree(t))
  await page.getByRole('button', { name: '2 running' }).click()
  await page.getByRole('button', { name: 'mail 2' }).click()
  await page.getByRole('row', { name: 'report:1' }).waitFor({ state: 'detached' })
  t.equal(new URL(page.url()).search, '?status=running&kind=mail')
  await page.reload()
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(await page.locator('tbody tr').count(), 1)
  t.equal(await page.getByRole('button', { name: '2 running' }).getAttribute('aria-pressed'), 'true')
  t.equal(await page.getByRole('button', { name: 'mail 2' }).getAttribute('aria-pressed'), 'true')
  t.strictSame(problems, [])
})

t.test('the start of a name is in the URL, and survives a reload', inBrowser, async t => {
  const { page, problems } = await openPage(t, await serveThree(t))
  await page.getByLabel('Name begins with').fill('report:')
  await page.getByRole('row', { name: 'mail:1' }).waitFor({ state: 'detached' })
  t.equal(new URL(page.url()).searchParams.get('name'), 'report:')
  await page.reload()
  await page.getByRole('row', { name: 'report:1' }).waitFor()
  t.equal(await page.locator('tbody tr').count(), 1)
  t.equal(await page.getByLabel('Name begins with').inputValue(), 'report:')
  t.strictSame(problems, [])
})

t.test('the back button goes back to the filters before', inBrowser, async t => {
  const { page } = await openPage(t, await serveThree(t))
  await page.getByRole('button', { name: '1 completed' }).click()
  await page.getByRole('row', { name: 'mail:1' }).waitFor({ state: 'detached' })
  await page.goBack()
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(await page.getByRole('button', { name: '1 completed' }).getAttribute('aria-pressed'), 'false')
})

t.test('filters that fit nothing say so, and are cleared', inBrowser, async t => {
  const { page } = await openPage(t, await serveThree(t))
  await page.getByRole('button', { name: '0 failed' }).click()
  await page.getByText('No failed tasks', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(new URL(page.url()).search, '')
})

t.test('a task whose details are open is in the URL', inBrowser, async t => {
  const url = await serveThree(t)
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name: 'report:1' }).click()
  await page.getByRole('dialog', { name: 'report:1' }).waitFor()
  await page.reload()
  await page.getByRole('dialog', { name: 'report:1' }).getByText('running').waitFor()
  await page.getByRole('button', { name: 'Close' }).click()
  await page.waitForURL(url)
  t.strictSame(problems, [])
})

t.test('pages are turned', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (let i = 1; i <= 60; i++) app.addTask(untilAborted, { name: `task:${i}` })
  const { page, problems } = await openPage(t, url)
  await page.getByText('50 shown, the newest first').waitFor()
  await page.getByRole('button', { name: 'Next page' }).click()
  await page.getByText('10 shown, the newest first').waitFor()
  await page.reload()
  await page.getByRole('row', { name: 'task:10' }).waitFor()
  await page.getByRole('button', { name: 'First page' }).click()
  await page.getByRole('row', { name: 'task:60' }).waitFor()
  await page.getByLabel('Rows of a page').selectOption('200')
  await page.getByText('60 shown, the newest first').waitFor()
  t.strictSame(problems, [])
})

t.test('a page of a server that was started again gives way to the first', inBrowser, async t => {
  const { page } = await openPage(t, `${await serveThree(t)}?cursor=abcdefabcdef-1`)
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(new URL(page.url()).search, '')
})

t.test('a page that was turned to goes on to be live', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (let i = 1; i <= 60; i++) app.addTask(untilAborted, { name: `task:${i}` })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'Next page' }).click()
  await page.getByText('10 shown, the newest first').waitFor()
  await page.getByRole('button', { name: 'First page' }).click()
  await page.getByRole('row', { name: 'task:60' }).waitFor()
  await page.mouse.move(0, 0)
  app.addTask(untilAborted, { name: 'another' })
  await page.getByRole('row', { name: 'another' }).waitFor()
})
