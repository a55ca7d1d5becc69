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
  t.equal(await page.locator('#tasks tbody tr').count(), 1)
  t.equal(await page.getByRole('button', { name: '2 running' }).getAttribute('aria-pressed'), 'true')
  t.equal(await page.getByRole('button', { name: 'mail 2' }).getAttribute('aria-pressed'), 'true')
  t.strictSame(problems, [])
})

t.test('a part of a name is in the URL, and survives a reload', inBrowser, async t => {
  const { page, problems } = await openPage(t, await serveThree(t))
  await page.getByLabel('Name contains').fill('PORT:')
  await page.getByRole('row', { name: 'mail:1' }).waitFor({ state: 'detached' })
  t.equal(new URL(page.url()).searchParams.get('search'), 'PORT:')
  await page.reload()
  await page.getByRole('row', { name: 'report:1' }).waitFor()
  t.equal(await page.locator('#tasks tbody tr').count(), 1)
  t.equal(await page.getByLabel('Name contains').inputValue(), 'PORT:')
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

t.test('filters that match nothing say so, and can be cleared', inBrowser, async t => {
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
  await page.getByText('1–50 of 60').waitFor()
  await page.getByRole('button', { name: 'Next page' }).click()
  await page.getByText('51–60 of 60').waitFor()
  t.ok(await page.locator('#table-top').isVisible(), 'the beginning of the list is in view')
  await page.reload()
  await page.getByRole('row', { name: 'task:60' }).waitFor()
  await page.getByRole('button', { name: 'Previous page' }).click()
  await page.getByRole('row', { name: 'task:50' }).waitFor()
  await page.getByLabel('Rows of a page').selectOption('200')
  await page.getByText('1–60 of 60').waitFor()
  t.strictSame(problems, [])
})

t.test('after a restart of the server, the first page replaces a later one', inBrowser, async t => {
  const { page } = await openPage(t, `${await serveThree(t)}?cursor=abcdefabcdef-1`)
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(new URL(page.url()).search, '')
})

t.test('a later page of the list is live, too', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (let i = 1; i <= 60; i++) app.addTask(untilAborted, { name: `task:${i}` })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'Next page' }).click()
  await page.getByText('51–60 of 60').waitFor()
  await page.getByRole('button', { name: 'Previous page' }).click()
  await page.getByRole('row', { name: 'task:50' }).waitFor()
  await page.mouse.move(0, 0)
  app.addTask(untilAborted, { name: 'another' })
  await page.getByText('1–50 of 61').waitFor()
})

t.test('running tasks come first, and other orders are in the URL', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'runs' })
  for (const name of ['first', 'second']) app.addTask(() => {}, { name })
  const { page, problems } = await openPage(t, url)
  const names = page.locator('#tasks tbody .open')
  await names.nth(2).waitFor()
  t.strictSame(await names.allTextContents(), ['runs', 'second', 'first'])
  await page.getByLabel('Order').selectOption('Newest first')
  await page.waitForURL(`${url}?sort=newest`)
  await page.locator('#tasks tbody tr:first-child', { hasText: 'second' }).waitFor()
  t.strictSame(await names.allTextContents(), ['second', 'first', 'runs'])
  t.strictSame(problems, [])
})

t.test('filters come and go without moving the table', inBrowser, async t => {
  const { page } = await openPage(t, await serveThree(t))
  const top = async () => (await page.locator('#tasks').boundingBox())!.y
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  const before = await top()
  await page.getByRole('button', { name: '2 running' }).click()
  await page.getByRole('button', { name: 'Clear filters' }).waitFor()
  t.equal(await top(), before)
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await page.getByRole('row', { name: 'mail:2' }).waitFor()
  t.equal(await top(), before)
})

t.test('the focus never falls to the body', inBrowser, async t => {
  const { page } = await openPage(t, `${await serveThree(t)}?status=failed`)
  await page.getByRole('button', { name: 'Show all tasks' }).click()
  await page.getByRole('row', { name: 'mail:1' }).waitFor()
  t.equal(await page.evaluate('document.activeElement.id'), 'search')
})

t.test('the head of the table stays in view', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (let i = 1; i <= 60; i++) app.addTask(untilAborted, { name: `task:${i}` })
  const { page } = await openPage(t, url)
  await page.getByRole('row', { name: 'task:50' }).scrollIntoViewIfNeeded()
  const { y } = (await page.getByRole('columnheader', { name: 'Status' }).boundingBox())!
  t.ok(y >= 0 && y < 10, `${y} px from the top`)
})

t.test('a long name is cut in the middle', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: `import:${'catalogue-'.repeat(12)}2026-11` })
  const { page } = await openPage(t, url)
  const end = page.locator('#tasks tbody .open .end')
  await end.waitFor()
  t.match(await end.innerText(), /2026-11$/)
  const button = (await page.locator('#tasks tbody .open').boundingBox())!
  const { x, width } = (await end.boundingBox())!
  t.ok(x + width <= button.x + button.width + 1, 'its end is in view')
})
