import t, { type Test } from 'tap'
import type { HistoryMinute } from '../../lib/dashboard/wire.ts'
import { FakeFleet, hour } from './fixtures/fake-fleet.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

interface Bar { part: string, minute: number, y: number, height: number }

/** The bars of the chart of an hour. */
async function barsOf (t: Test, minuteOf: (i: number) => Partial<HistoryMinute>, colorScheme: 'light' | 'dark' = 'light') {
  const { url } = await serveDashboard(t)
  const fleet = new FakeFleet()
  fleet.minutes = hour(minuteOf)
  const { page, problems } = await openPage(t, url, { colorScheme }, page => fleet.serve(page))
  await page.locator('.readout', { hasText: 'completed' }).waitFor()
  const bars = await page.evaluate(`[...document.querySelectorAll('.plot g')].flatMap((column, minute) =>
    [...column.querySelectorAll('rect:not(.ground)')].map(rect =>
      ({ part: rect.getAttribute('class'), minute, y: Number(rect.getAttribute('y')), height: Number(rect.getAttribute('height')) })))`) as Bar[]
  return { page, problems, bars, fleet }
}

const height = 84

t.test('one task a second makes columns of one height', inBrowser, async t => {
  const { bars, page, problems } = await barsOf(t, i => ({ completed: i === 59 ? 20 : 60 }))
  t.equal(bars.length, 60)
  const full = bars.slice(0, 59)
  t.strictSame([...new Set(full.map(bar => bar.height))].length, 1)
  t.ok(full[0]!.height > height * 0.6 && full[0]!.height < height * 0.95, `${full[0]!.height} px`)
  t.ok(bars[59]!.height < full[0]!.height, 'the present minute has only begun')
  await page.getByText('80 a minute').waitFor()
  await page.locator('.readout', { hasText: '3,560 completed' }).waitFor()
  t.strictSame(problems, [])
})

t.test('an idle hour says so', inBrowser, async t => {
  const { bars, page } = await barsOf(t, () => ({}))
  t.strictSame(bars, [])
  t.ok(await page.getByText('Nothing has settled in the last hour').isVisible())
})

t.test('a small number can be seen beside a spike of 10,000', inBrowser, async t => {
  const { bars, page } = await barsOf(t, i => ({ completed: i === 30 ? 10_000 : i === 10 ? 1 : 0, failed: i === 20 ? 1 : 0 }))
  const [one, failure, spike] = bars
  t.strictSame([one!.minute, failure!.minute, spike!.minute], [10, 20, 30])
  t.ok(one!.height >= 2 && one!.height < 4)
  t.ok(failure!.height >= 2 && failure!.part === 'failed')
  t.ok(spike!.height > height * 0.8 && spike!.y >= 0)
  await page.getByText('12,000 a minute').waitFor()
})

t.test('failed, cancelled and completed tasks are stacked', inBrowser, async t => {
  const { bars } = await barsOf(t, i => i === 5 ? { completed: 50, failed: 25, cancelled: 25 } : {}, 'dark')
  t.strictSame(bars.map(({ part }) => part), ['failed', 'cancelled', 'completed'])
  const [failed, cancelled, completed] = bars
  t.ok(Math.abs(failed!.y + failed!.height - height) < 0.1, 'failed stands on the ground')
  t.ok(Math.abs(cancelled!.y + cancelled!.height - failed!.y) < 0.1)
  t.ok(Math.abs(completed!.y + completed!.height - cancelled!.y) < 0.1)
  t.ok(Math.abs(completed!.height - 2 * failed!.height) < 0.1)
})

t.test('the pointer shows the numbers of a minute, and a table has all numbers', inBrowser, async t => {
  const { page } = await barsOf(t, i => ({ completed: i, failed: i === 30 ? 7 : 0 }))
  const { x, y, width, height } = (await page.locator('.plot').boundingBox())!
  await page.mouse.move(x + width * 30.5 / 60, y + height / 2)
  await page.locator('.readout', { hasText: '7 failed' }).getByText('30 completed').waitFor()
  const table = page.getByRole('table', { name: 'What settled in each minute of the last hour' })
  t.equal(await table.getByRole('row').count(), 61)
  t.strictSame(await table.getByRole('row').nth(31).getByRole('cell').allTextContents(), ['30', '7', '0'])
})

t.test('a caller who may not view the process as a whole has no chart', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const fleet = new FakeFleet()
  fleet.minutes = null
  const { page } = await openPage(t, url, {}, page => fleet.serve(page))
  await page.locator('#chart').waitFor({ state: 'hidden' })
  t.pass()
})
