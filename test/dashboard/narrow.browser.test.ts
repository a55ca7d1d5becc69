import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

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
