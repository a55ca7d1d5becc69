import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8')

/** What axe-core finds wrong: the rules, and where. */
async function violations (page: Page) {
  return await page.evaluate(`axe.run(document, { resultTypes: ['violations'] })
    .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).join('\\n')))`)
}

for (const colorScheme of ['light', 'dark'] as const) {
  for (const width of [1280, 360]) {
    t.test(`axe-core finds nothing: ${colorScheme}, ${width} px wide`, inBrowser, async t => {
      const { app, url } = await serveDashboard(t)
      const { page, problems } = await openPage(t, url, { colorScheme, reducedMotion: 'reduce', viewport: { width, height: 800 } })
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
      await page.getByText('1 shown').waitFor()
      t.strictSame(await violations(page), [], 'with a filter')

      await page.getByRole('row', { name: 'fails' }).getByRole('button', { name: 'fails' }).click()
      await page.getByRole('dialog').getByText('Error: no').waitFor()
      t.strictSame(await violations(page), [], 'with details')
      await page.keyboard.press('Escape')

      await page.getByRole('button', { name: 'Purge settled' }).click()
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
