import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

t.test('everything can be done with the keyboard alone', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const first = app.addTask(untilAborted, { name: 'first' })
  app.addTask(untilAborted, { name: 'second' })
  const { page, problems } = await openPage(t, `${url}?sort=newest`)
  await page.getByRole('row', { name: 'second' }).waitFor()
  const focused = () => page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")

  // The first stop skips to the tasks.
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to the tasks')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'second')

  // Enter opens a task, Escape closes it, and the focus is back.
  await page.keyboard.press('Enter')
  await page.getByRole('dialog', { name: 'second' }).waitFor()
  await page.keyboard.press('Escape')
  t.equal(await focused(), 'second')

  // The arrows go from row to row.
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Cancel second')
  await page.keyboard.press('ArrowDown')
  t.equal(await focused(), 'Cancel first')

  // The question begins on its harmless answer.
  await page.keyboard.press('Enter')
  t.equal(await focused(), 'Keep it')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('row', { name: 'first' }).getByText('cancelled', { exact: true }).waitFor()
  t.equal(first.status, 'cancelled')
  t.equal(await focused(), 'Cancel first', 'the focus stays where it was')
  t.strictSame(problems, [])
})

t.test('the focus is visible on every control', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  await page.getByRole('row', { name: 'one' }).waitFor()
  const stops = []
  for (let i = 0; i < 16; i++) {
    await page.keyboard.press('Tab')
    stops.push(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle + ' ' + document.activeElement.tagName"))
  }
  t.strictSame(stops.filter(stop => !/^(solid|auto) |BODY/.test(String(stop))), [])
})
