import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard, untilTitle } from './fixtures/browser.ts'

t.test('the details show everything of a task, also what serialize adds', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, {
    serialize: task => ({ ...task.toJSON(), data: task.data, result: task.result })
  })
  const error = Object.assign(new Error(`The disk is full: ${'x'.repeat(5000)} end`), { code: 'ENOSPC' })
  app.addTask(() => { throw error }, { name: 'backup', kind: 'nightly', data: { owner: 'anna@example.com' } })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name: 'backup' }).getByRole('button', { name: 'backup', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'backup' })
  await details.getByText(/^Error \(ENOSPC\): The disk is full: x+ end$/).waitFor()
  for (const text of ['failed', 'nightly', /-1$/, /anna@example\.com/, 'Added', 'Started', 'Failed', 'Duration']) {
    await details.getByText(text).first().waitFor()
  }
  t.equal(await page.title(), 'backup · Tasks')
  await page.keyboard.press('Escape')
  await page.waitForURL(url)
  await untilTitle(page, '(1 failed) Tasks')
  t.strictSame(problems, [])
})

t.test('the details follow the task until it has settled', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'one', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'one' })
  task.progress = { done: 1, total: 2 }
  await details.getByText('1 of 2').waitFor()
  await task.cancel({ reason: 'No longer needed' })
  await details.getByText('AbortError (ABORT_ERR): No longer needed').waitFor()
  t.equal(await details.getByRole('button', { name: 'Cancel the task' }).count(), 0)
  t.strictSame(problems, [])
})

t.test('the details of a task that is gone say so', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const { page } = await openPage(t, `${url}?task=abcdefabcdef-1`)
  await page.getByRole('dialog').getByText(/There is no task/).waitFor()
})

t.test('if an open task is not kept, its details stay and say that it is gone', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { kind: 'unnamed' }) // settled, it is kept nowhere
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: '#1', exact: true }).click()
  const details = page.getByRole('dialog', { name: '#1' })
  await details.getByText('unnamed').waitFor()
  await task.cancel()
  await details.getByText(/There is no task/).waitFor()
  t.ok(await details.getByText('unnamed').isVisible())
})

t.test('going back closes the details and keeps the view', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: '1 running' }).click()
  await page.getByRole('button', { name: 'one', exact: true }).click()
  await page.getByRole('dialog', { name: 'one' }).waitFor()
  await page.goBack()
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  t.equal(page.url(), `${url}?status=running`)
  await page.goForward()
  await page.getByRole('dialog', { name: 'one' }).waitFor()
  await page.keyboard.press('Escape')
  await page.waitForURL(`${url}?status=running`)
  await page.goBack()
  await page.waitForURL(url)
  t.strictSame(problems, [])
})

t.test('what happens while a dialog is open is announced in it', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'one', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'one', exact: true })
  await details.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByRole('dialog', { name: 'Cancel one?' }).getByRole('button', { name: 'Cancel the task' }).click()
  await details.getByRole('status').filter({ hasText: /^one (is being cancelled|is cancelled|has settled)\.$/ }).waitFor()
  // The notice is above the dialog's backdrop.
  t.equal(await page.evaluate(`(() => {
    const { x, y, width, height } = document.getElementById('notice').getBoundingClientRect()
    return document.getElementById('notice').matches(':popover-open') && width > 0 && height > 0
  })()`), true)
})

t.test('an open task is read again only when it has changed', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { name: 'one' })
  app.addTask(untilAborted, { name: 'two' })
  const { page } = await openPage(t, url)
  let reads = 0
  page.on('request', request => { if (/tasks\/[^/]+-1$/.test(request.url())) reads++ })
  await page.getByRole('button', { name: 'one', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'one' })
  await details.getByText('running').waitFor()
  const before = reads
  const age = details.locator('dd', { hasText: 'ago' })
  const shown = await age.innerText()
  await age.filter({ hasNotText: shown }).waitFor()
  t.equal(reads, before)
  task.progress = { done: 1, total: 2 }
  await details.getByText('1 of 2').waitFor()
  t.ok(reads > before)
})

t.test('the focus and an open part of the details survive a change', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { name: 'one', data: { to: 'anna@example.com' } })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'one', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'one' })
  await details.getByRole('button', { name: 'Show data and result' }).click()
  await details.getByText('anna@example.com').waitFor()
  await details.getByText('data', { exact: true }).focus()
  task.progress = { done: 1, total: 2 }
  await details.getByText('1 of 2').waitFor()
  t.ok(await details.getByText('anna@example.com').isVisible())
  t.equal(await page.evaluate('document.activeElement.tagName'), 'SUMMARY')
})

t.test('the details of a failed task tell its causes, and its stack one click away', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => { throw new Error('The report failed', { cause: new TypeError('cell C9 is empty') }) }, { name: 'report', data: { month: 11 } })
  const { page, problems } = await openPage(t, url)
  await page.locator('#tasks').getByRole('button', { name: 'report', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'report' })
  await details.locator('.cause', { hasText: 'Caused by TypeError: cell C9 is empty' }).waitFor()
  await details.getByText('Stack', { exact: true }).click()
  await details.getByText(/at .*details\.browser\.test/).first().waitFor()
  t.ok(await details.getByText('"month": 11').isVisible())
  t.strictSame(problems, [])
})
