import t from 'tap'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'
import { untilAborted } from '../core/fixtures/app.ts'

t.test('a new task appears, and the counts with it', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page, problems } = await openPage(t, url)
  await page.getByText('No tasks', { exact: true }).first().waitFor()
  app.addTask(untilAborted, { name: 'one', kind: 'mail' })
  await page.getByRole('row', { name: 'one' }).waitFor()
  await page.getByRole('button', { name: '1 running', exact: true }).waitFor()
  await page.getByRole('button', { name: 'mail 1', exact: true }).waitFor()
  t.strictSame(problems, [])
})

t.test('progress moves as a bar', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const counted = app.addTask(untilAborted, { name: 'counted' })
  const percent = app.addTask(untilAborted, { name: 'percent' })
  const share = app.addTask(untilAborted, { name: 'share' })
  const { page, problems } = await openPage(t, url)
  for (const step of [1, 2, 3]) {
    counted.progress = { done: step, total: 4 }
    percent.progress = { percent: step * 25 }
    share.progress = step / 4
    for (const name of ['counted', 'percent', 'share']) {
      const bar = page.getByRole('row', { name }).locator(`progress[value="${step / 4}"]`)
      await bar.waitFor()
    }
    await page.getByText(`${step} of 4`, { exact: true }).waitFor()
  }
  t.equal(await page.getByText('75 %', { exact: true }).count(), 2)
  t.strictSame(problems, [])
})

t.test('other progress is short text', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'words' }).progress = 'reading'
  app.addTask(untilAborted, { name: 'object' }).progress = { page: 7 }
  app.addTask(untilAborted, { name: 'number' }).progress = 12
  const { page } = await openPage(t, url)
  for (const [name, text] of [['words', 'reading'], ['object', '{"page":7}'], ['number', '12']] as const) {
    t.equal(await page.getByRole('row', { name }).locator('.what').innerText(), text)
  }
})

t.test('a failed task says why', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => { throw new Error('The disk is full') }, { name: 'backup' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name: 'backup' }).getByText('The disk is full').waitFor()
  await page.getByText('Failed last').waitFor()
  t.strictSame(problems, [])
})

t.test('a task that has completed has no bar that looks stuck', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(async function * () { yield { percent: 99 } }, { name: 'almost' })
  const { page } = await openPage(t, url)
  const row = page.getByRole('row', { name: 'almost' })
  await row.getByText('completed', { exact: true }).waitFor()
  await row.getByText('99 %').waitFor()
  t.equal(await row.getByRole('progressbar').count(), 0)
})

t.test('the uptime and the ages are updated at the same time', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  const row = page.getByRole('row', { name: 'one' })
  const before = await page.locator('#process').innerText()
  const age = await row.locator('.age').innerText()
  await page.locator('#process', { hasNotText: before }).waitFor()
  await row.locator('.age', { hasNotText: age }).waitFor()
})
