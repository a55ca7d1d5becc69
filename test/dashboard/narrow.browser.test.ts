import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'
import { ago, FakeFleet, fakeKind, fakeTask } from './fixtures/fake-fleet.ts'

t.test('the page fits into 360 px', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { title: 'Tasks of a shop with an unusuallylongnamethatdoesnotfitintoone line' })
  app.addTask(untilAborted, { name: 'a'.repeat(300), kind: 'k'.repeat(300) }).progress = 'p'.repeat(300)
  app.addTask(() => { throw new Error('e'.repeat(300)) }, { name: 'fails' })
  const { page, problems } = await openPage(t, url, { viewport: { width: 360, height: 640 }, hasTouch: true })
  await page.getByRole('row', { name: 'fails' }).waitFor()
  const overflow = () => page.evaluate('document.documentElement.scrollWidth - innerWidth')
  t.equal(await overflow(), 0)

  // All of a row is in view, its error and its button too.
  const row = page.getByRole('row', { name: 'aaa' })
  for (const part of [row.getByText('running'), row.getByRole('button', { name: /^Cancel/ }), page.getByRole('row', { name: 'fails' }).locator('.why')]) {
    const { x, width } = (await part.boundingBox())!
    t.ok(x >= 0 && x + width <= 360)
  }

  await row.locator('.open').click()
  await page.getByRole('dialog').getByText('running').waitFor()
  t.equal(await overflow(), 0, 'with details')
  t.strictSame(problems, [])
})

// A window of 1280 × 720 at 200 % has 640 × 360 px.
const windows = { 'at 360 px': { width: 360, height: 640 }, 'at 200 %': { width: 640, height: 360 } }

for (const [where, viewport] of Object.entries(windows)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    t.test(`a task of this process is in view as the page opens: ${where}, ${colorScheme}`, inBrowser, async t => {
      const { app, url } = await serveDashboard(t)
      for (let i = 0; i < 3; i++) app.addTask(untilAborted, { name: `runs ${i}`, kind: `kind ${i}` }).progress = { done: 1, total: 3 }
      app.addTask(() => { throw new Error('no') }, { name: 'fails' })
      const { page, problems } = await openPage(t, url, { viewport, colorScheme, deviceScaleFactor: 2 })
      await page.locator('#failures-summary', { hasText: 'fails' }).waitFor()
      const { y, height } = (await page.getByRole('row', { name: 'runs 0' }).boundingBox())!
      t.ok(y >= 0 && y + height <= viewport.height, `${y} to ${y + height} px`)
      t.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
      t.strictSame(problems, [])
    })

    t.test(`a task of the fleet is in view as its kind opens: ${where}, ${colorScheme}`, inBrowser, async t => {
      const { url } = await serveDashboard(t)
      const fleet = new FakeFleet()
      fleet.kinds = [fakeKind('mail', {
        counts: { deferred: 2, running: 1, completed: 3000, failed: 3 },
        latency: 90_000,
        workers: [{ host: 'web-1', pid: 1, since: Date.now() }],
        schedules: [{ name: 'digest', every: 60_000, nextAt: Date.now() + 60_000 }]
      })]
      fleet.tasks = [fakeTask('mail', 'runs', { startedAt: ago(1000) }), fakeTask('mail', 'fails', { status: 'failed', settledAt: ago(1000) })]
      const { page, problems } = await openPage(t, `${url}?fleet=mail`, { viewport, colorScheme, deviceScaleFactor: 2 }, page => fleet.serve(page))
      await page.locator('#failures-summary', { hasText: 'fails' }).waitFor()
      await page.getByText('1 schedule').waitFor()
      const { y, height } = (await page.getByRole('row', { name: 'runs' }).boundingBox())!
      t.ok(y >= 0 && y + height <= viewport.height, `${y} to ${y + height} px`)
      t.equal(await page.evaluate('document.documentElement.scrollWidth - innerWidth'), 0)
      t.strictSame(problems, [])
    })
  }
}
