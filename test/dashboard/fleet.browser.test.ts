import type { FastifyInstance } from 'fastify'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import cluster, { type Kind } from '../../lib/cluster/index.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

/** A dashboard of an app that has a fleet, and in it a kind whose tasks run until they are cancelled, two at a time. */
async function serveFleet (t: Test, options: Parameters<typeof serveDashboard>[1] = {}) {
  let reports!: Kind<unknown, string>
  const { app, url } = await serveDashboard(t, options, async (app: FastifyInstance) => {
    await app.register(cluster)
    reports = app.cluster.defineTask('report', untilAborted, { concurrency: 2 }) as Kind<unknown, string>
    app.cluster.defineTask('mail', async () => { throw new Error('The mail server is gone') })
  })
  return { app, url, reports }
}

t.test('the kinds of the fleet are beside this process, with their counts', inBrowser, async t => {
  const { app, url, reports } = await serveFleet(t)
  for (const name of ['annual', 'monthly', 'weekly']) await reports.addTask('', { name })
  await app.cluster.getKind('mail').addTask('', { name: 'x' })
  await app.cluster.getKind('mail').idle()
  const { page, problems } = await openPage(t, `${url}?fleet=`)
  await page.getByRole('link', { name: 'report 0 failed · 2 running · 1 deferred' }).waitFor()
  await page.getByRole('link', { name: 'mail 1 failed · 0 running · 0 deferred' }).click()
  t.equal(new URL(page.url()).search, '?fleet=mail')
  await page.getByRole('row', { name: 'x' }).getByText('The mail server is gone').waitFor()
  await page.goBack()
  await page.getByRole('link', { name: 'All kinds of the fleet' }).and(page.locator('[aria-current]')).waitFor()
  t.strictSame(problems, [])
})

t.test('where this process has no tasks, the page starts with the fleet, until somebody chooses this process', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  await reports.addTask('', { name: 'annual' })
  const { page, problems } = await openPage(t, url)
  // Where the kinds are not known within two seconds, the page starts with this process.
  while (new URL(page.url()).search !== '?fleet=') {
    await page.reload()
    await page.locator('#connection', { hasText: 'Live' }).waitFor()
  }
  await page.getByRole('row', { name: 'annual' }).waitFor()
  const thisProcess = page.getByRole('link', { name: 'This process' })
  await thisProcess.click()
  await page.getByText('None runs.').waitFor()
  t.equal(new URL(page.url()).search, '?process=')
  await page.reload()
  await page.getByText('None runs.').waitFor()
  await thisProcess.and(page.locator('[aria-current]')).waitFor()
  await page.goto(`${url}?status=failed`)
  await page.getByText('No failed tasks').waitFor()
  await thisProcess.and(page.locator('[aria-current]')).waitFor()
  t.strictSame(problems, [])
})

t.test('where this process has tasks, the page starts with them', inBrowser, async t => {
  const { app, url } = await serveFleet(t)
  app.addTask(untilAborted, { name: 'warm-up' })
  const { page } = await openPage(t, url)
  await page.getByRole('row', { name: 'warm-up' }).waitFor()
  t.equal(page.url(), url)
})

t.test('where there is no kind of a fleet, or none is known soon, the page starts with this process', inBrowser, async t => {
  const { url } = await serveDashboard(t, {}, app => app.register(cluster))
  for (const prepare of [() => {}, (page: Page) => page.route('**/kinds', () => {})]) {
    const { page } = await openPage(t, url, {}, prepare)
    await page.getByText('None runs.').waitFor()
    t.equal(page.url(), url)
  }
})

t.test('a task of the fleet is cancelled', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  await reports.addTask('', { name: 'annual' })
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByRole('button', { name: 'Cancel annual' }).click()
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByRole('row', { name: 'annual' }).getByText('cancelled', { exact: true }).waitFor()
  t.equal((await reports.getTask('annual')).status, 'cancelled')
  t.strictSame(problems, [])
})

t.test('the details of a task of the fleet survive a reload', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  await reports.addTask('', { name: 'annual' })
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByRole('button', { name: 'annual', exact: true }).click()
  await page.getByRole('dialog', { name: 'annual' }).getByText(`process ${process.pid}`).waitFor()
  await page.reload()
  await page.getByRole('dialog', { name: 'annual' }).getByText(`process ${process.pid}`).waitFor()
  t.strictSame(problems, [])
})

t.test('pages of the fleet are turned', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  await reports.addTasks(Array.from({ length: 60 }, (_, i) => ({ data: '', name: `task:${i}` })))
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByText('1–50 of 60').waitFor()
  await page.getByRole('button', { name: 'Next page' }).click()
  await page.getByText('51–60 of 60').waitFor()
  await page.getByRole('button', { name: 'Previous page' }).click()
  await page.getByText('1–50 of 60').waitFor()
  t.strictSame(problems, [])
})

t.test('a kind is paused and resumed', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByRole('button', { name: 'Pause this kind' }).click()
  await page.getByText(/^report is paused/).first().waitFor()
  await reports.addTask('', { name: 'annual' })
  await page.getByRole('row', { name: 'annual' }).getByText('deferred', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Resume this kind' }).click()
  await page.getByRole('row', { name: 'annual' }).getByText('running', { exact: true }).waitFor()
  t.strictSame(problems, [])
})

t.test('the schedules of a kind are shown', inBrowser, async t => {
  const { url, reports } = await serveFleet(t)
  await reports.scheduleTask('nightly', { cron: '0 3 * * *', timeZone: 'Europe/Zurich' }, '')
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByText('1 schedule').click()
  await page.getByText('0 3 * * * Europe/Zurich').waitFor()
  t.strictSame(problems, [])
})

t.test('a read-only page shows the fleet and no button that changes it', inBrowser, async t => {
  const { url, reports } = await serveFleet(t, { readOnly: true })
  await reports.addTask('', { name: 'annual' })
  const { page, problems } = await openPage(t, `${url}?fleet=report`)
  await page.getByRole('row', { name: 'annual' }).waitFor()
  t.equal(await page.getByRole('button', { name: /^(Cancel|Purge|Pause this|Resume)/ }).count(), 0)
  t.strictSame(problems, [])
})

t.test('a task of the fleet that has failed is retried', inBrowser, async t => {
  const { app, url } = await serveFleet(t)
  const mail = app.cluster.getKind('mail')
  await mail.addTask('', { name: 'x' })
  await mail.idle()
  const before = (await mail.getTask('x')).startedAt
  const { page, problems } = await openPage(t, url)
  await page.locator('#failures').getByRole('button', { name: 'Retry x' }).click()
  await page.getByRole('dialog', { name: 'Retry x?' }).getByRole('button', { name: 'Retry' }).click()
  await page.locator('#notice', { hasText: 'x runs again.' }).waitFor()
  await mail.idle()
  t.not((await mail.getTask('x')).startedAt, before)
  t.strictSame(problems, [])
})

t.test('all failed tasks of a kind are retried', inBrowser, async t => {
  const { app, url } = await serveFleet(t)
  const mail = app.cluster.getKind('mail')
  for (const name of ['x', 'y']) await mail.addTask('', { name })
  await mail.idle()
  const { page, problems } = await openPage(t, `${url}?fleet=mail`)
  await page.getByRole('button', { name: 'Retry all failed' }).click()
  await page.getByRole('dialog', { name: 'Retry 2 failed tasks of mail?' }).getByRole('button', { name: 'Retry 2' }).click()
  await page.locator('#notice', { hasText: '2 tasks retried.' }).waitFor()
  t.strictSame(problems, [])
})
