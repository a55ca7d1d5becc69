import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'
import { ago, FakeFleet, fakeKind, fakeTask, hour } from './fixtures/fake-fleet.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')

/** What axe-core finds wrong: the rules, and where. */
async function violations (page: Page) {
  return await page.evaluate(`axe.run(document, { resultTypes: ['violations'] })
    .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join('\\n')))`)
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [width, height] of [[1280, 800], [360, 800], [640, 360]] as const) {
    t.test(`axe-core finds nothing: ${colorScheme}, ${width} × ${height} px`, inBrowser, async t => {
      const { app, url } = await serveDashboard(t)
      const { page, problems } = await openPage(t, url, { colorScheme, reducedMotion: 'reduce', viewport: { width, height } })
      // Not a script element, which the policy would refuse.
      await page.evaluate(axe)
      t.strictSame(await violations(page), [], 'without a task')

      app.addTask(untilAborted, { name: 'runs', kind: 'mail' }).progress = { done: 1, total: 3 }
      app.addTask(untilAborted).progress = 'reading'
      app.addTask(deaf, { name: 'stops' }).cancel({ timeout: 1 }).catch(() => {})
      app.addTask(untilAborted, { name: 'stopped' }).cancel()
      app.addTask(() => { throw new Error('no') }, { name: 'fails' })
      app.addTask(() => {}, { name: 'ends' })
      await page.getByRole('row', { name: 'ends' }).waitFor()
      await page.getByText('Failed last').waitFor()
      t.strictSame(await violations(page), [], 'with a task in each state')

      await page.getByRole('button', { name: '1 failed' }).click()
      await page.getByText('1–1 of 1').waitFor()
      t.strictSame(await violations(page), [], 'with a filter')

      await page.getByRole('row', { name: 'fails' }).getByRole('button', { name: 'fails' }).click()
      await page.getByRole('dialog').getByText('Error: no', { exact: true }).waitFor()
      t.strictSame(await violations(page), [], 'with details')
      await page.keyboard.press('Escape')

      await page.getByRole('button', { name: 'Purge failed' }).click()
      await page.getByRole('dialog', { name: 'Purge 1 failed task?' }).waitFor()
      t.strictSame(await violations(page), [], 'with a question')
      await page.keyboard.press('Escape')

      await page.context().setOffline(true)
      await page.getByText('Connection lost', { exact: true }).waitFor()
      t.strictSame(await violations(page), [], 'without a connection')
      t.strictSame(problems.filter(problem => !problem.includes('ERR_INTERNET_DISCONNECTED')), [])
    })
  }
}

t.test('what happens is announced politely', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  const status = page.locator('#announcement')
  await status.getByText('1 task shown').waitFor()
  await page.getByRole('button', { name: '0 failed' }).click()
  await status.getByText('No tasks').waitFor()
  await page.getByRole('button', { name: 'Pause' }).click()
  await status.getByText('The page is paused').waitFor()
})

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [width, height] of [[1280, 800], [360, 800], [640, 360]] as const) {
    t.test(`axe-core finds nothing in a kind of the fleet: ${colorScheme}, ${width} × ${height} px`, inBrowser, async t => {
      const { url } = await serveDashboard(t)
      const fleet = new FakeFleet()
      const error = { name: 'Error', message: 'connect ECONNREFUSED' }
      fleet.minutes = hour(i => ({ completed: i, failed: i % 3 }))
      fleet.kinds = [fakeKind('mail', {
        counts: { deferred: 2, running: 1, completed: 0, failed: 1 },
        latency: 90_000,
        paused: true,
        workers: [{ host: 'web-1', pid: 1, since: Date.now() }],
        schedules: [{ name: 'digest', every: 60_000, nextAt: Date.now() + 60_000 }]
      })]
      fleet.tasks = [
        fakeTask('mail', 'runs', { startedAt: ago(1000) }),
        fakeTask('mail', 'retries', { status: 'deferred', attempt: 1, maxAttempts: 3, startsAt: ago(-60_000), error, can: ['cancel', 'promote'] }),
        fakeTask('mail', 'fails', { status: 'failed', settledAt: ago(1000), error, attempts: [{ attempt: 1, endedAt: ago(1000), error }] })
      ]
      const { page, problems } = await openPage(t, `${url}?fleet=mail`, { colorScheme, reducedMotion: 'reduce', viewport: { width, height } }, page => fleet.serve(page))
      await page.evaluate(axe)
      await page.getByText('1 schedule').click()
      await page.getByText('1 process runs its tasks').click()
      await page.locator('#failures summary').click() // folds it, or where it is narrow opens it
      await page.getByRole('row', { name: 'fails' }).waitFor()
      t.strictSame(await violations(page), [])
      await page.getByRole('row', { name: 'fails' }).click()
      await page.getByRole('dialog', { name: 'fails' }).getByText('Attempt 1 failed').waitFor()
      t.strictSame(await violations(page), [], 'with details')
      t.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
      t.strictSame(problems, [])
    })
  }
}
