import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { ago, FakeFleet, fakeKind, fakeTask } from './fixtures/fake-fleet.ts'
import { inBrowser, openPage, serveDashboard, untilTitle } from './fixtures/browser.ts'

const refused = { name: 'Error', message: 'connect ECONNREFUSED 10.0.3.17:587', code: 'ECONNREFUSED' }

/** A page of a fleet with two kinds; tasks fail in one of them. */
async function openFleet (t: Test, query: string, prepare: (fleet: FakeFleet) => void = () => {}): Promise<{ page: Page, problems: string[], fleet: FakeFleet, url: string }> {
  const { url } = await serveDashboard(t)
  const fleet = new FakeFleet()
  fleet.kinds = [
    fakeKind('mail', { counts: { deferred: 12, running: 3, completed: 1204, failed: 98 }, latency: 252_000, workers: [{ host: 'web-1', pid: 4127, since: Date.now() - 7_200_000 }] }),
    fakeKind('report', { counts: { deferred: 0, running: 1, completed: 0, failed: 0 } })
  ]
  fleet.tasks = [
    fakeTask('report', 'annual', { startedAt: ago(5000) }),
    fakeTask('mail', 'welcome:2', { status: 'failed', settledAt: ago(5000), error: refused, attempt: 3, maxAttempts: 3 }),
    fakeTask('mail', 'welcome:1', { status: 'failed', settledAt: ago(9000), error: refused })
  ]
  prepare(fleet)
  const opened = await openPage(t, `${url}${query}`, {}, page => fleet.serve(page))
  return { ...opened, fleet, url }
}

t.test('the page shows at once what has failed, why, and the button that retries it', inBrowser, async t => {
  const { page, problems, fleet } = await openFleet(t, '')
  const panel = page.locator('#failures')
  await panel.getByRole('button', { name: 'welcome:2', exact: true }).waitFor()
  t.ok(await panel.getByText(refused.message).first().isVisible())
  fleet.replies = [{ json: { ...fleet.tasks[1], status: 'deferred', can: ['cancel'] } }]
  await panel.getByRole('button', { name: 'Retry welcome:2' }).click()
  await page.getByRole('dialog', { name: 'Retry welcome:2?' }).getByRole('button', { name: 'Retry' }).click()
  await page.locator('#notice', { hasText: 'welcome:2 runs again.' }).waitFor()
  t.match(fleet.changes, [/^PUT kinds\/tasks\/retry\?kind=mail&name=welcome%3A2&id=\d+$/])
  t.strictSame(problems, [])
})

t.test('a retry that is refused says why', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail')
  fleet.replies = [{ status: 409, json: { message: 'It has not settled' } }]
  await page.getByRole('row', { name: 'welcome:1' }).getByRole('button', { name: 'Retry welcome:1' }).click()
  await page.getByRole('button', { name: 'Retry', exact: true }).click()
  await page.locator('#notice', { hasText: 'welcome:1 was not retried. It has not settled' }).waitFor()
})

t.test('retrying all failed says how many, and goes on until all are done', inBrowser, async t => {
  const { page, problems, fleet } = await openFleet(t, '?fleet=mail', fleet => { fleet.count = { count: 1500, exact: true } })
  fleet.replies = [{ json: { retried: 1000, more: true } }, { json: { retried: 500, more: false } }]
  await page.getByRole('button', { name: 'Retry all failed' }).click()
  await page.getByRole('dialog', { name: 'Retry 1,500 failed tasks of mail?' }).getByRole('button', { name: 'Retry 1,500' }).click()
  await page.locator('#notice', { hasText: '1,500 tasks retried.' }).waitFor()
  t.strictSame(fleet.changes, Array(2).fill('PUT kinds/tasks/retry?kind=mail&status=failed'))
  t.strictSame(problems, [])
})

t.test('a change of many tasks that fails halfway says how many were changed', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail', fleet => { fleet.count = { count: 2000, exact: false } })
  fleet.replies = [{ json: { cancelled: 1000, more: true } }, { status: 503, json: { message: 'The server is away' } }]
  await page.getByRole('button', { name: 'Cancel all deferred' }).click()
  await page.getByRole('dialog', { name: 'Cancel 2,000 or more deferred tasks of mail?' }).getByRole('button', { name: 'Cancel 2,000 or more' }).click()
  await page.locator('#notice', { hasText: 'Only 1,000 tasks were cancelled. The server is away' }).waitFor()
})

t.test('a cancellation of many that do not all stop says what the server says, not that nothing was cancelled', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail', fleet => { fleet.count = { count: 3, exact: true } })
  const message = 'The work of 2 tasks of the kind "mail" has not stopped 1000 ms after its cancellation (1 other was cancelled)'
  const notStopped = { status: 504, json: { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message } }
  const cancelAll = async () => {
    await page.getByRole('button', { name: 'Cancel all deferred' }).click()
    await page.getByRole('button', { name: 'Cancel 3' }).click()
  }
  fleet.replies = [notStopped]
  await cancelAll()
  await page.locator('#notice', { hasText: /^The work of 2 tasks/ }).waitFor()
  fleet.replies = [{ json: { cancelled: 1000, more: true } }, notStopped]
  await cancelAll()
  await page.locator('#notice', { hasText: /^1,000 tasks cancelled. The work of 2 tasks/ }).waitFor()
})

t.test('if the server has found no task yet where it stopped counting, the question names no number', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail&search=welcome', fleet => { fleet.count = { count: 0, exact: false } })
  fleet.replies = [{ json: { retried: 7 } }]
  await page.getByRole('button', { name: 'Retry all failed' }).click()
  await page.getByRole('dialog', { name: 'Retry all failed tasks of mail with “welcome” in the name?' }).getByRole('button', { name: 'Retry all' }).click()
  await page.locator('#notice', { hasText: '7 tasks retried.' }).waitFor()
})

t.test('a purge follows the filter', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail&status=failed', fleet => { fleet.count = { count: 1, exact: true } })
  fleet.replies = [{ json: { purged: 1 } }]
  await page.getByRole('button', { name: 'Purge failed' }).click()
  await page.getByRole('dialog', { name: 'Purge 1 failed task of mail?' }).getByRole('button', { name: 'Purge 1' }).click()
  await page.locator('#notice', { hasText: '1 task purged.' }).waitFor()
  t.strictSame(fleet.changes, ['DELETE kinds/tasks?kind=mail&status=failed'])
})

t.test('changes of many tasks keep to the search', inBrowser, async t => {
  const { page, fleet, problems } = await openFleet(t, '?fleet=mail&search=welcome', fleet => { fleet.count = { count: 2, exact: true } })
  fleet.replies = [{ json: { retried: 2 } }, { json: { cancelled: 2 } }, { json: { purged: 2 } }]
  for (const [name, title, yes] of [
    ['Retry all failed', 'Retry 2 failed tasks of mail with “welcome” in the name?', 'Retry 2'],
    ['Cancel all deferred', 'Cancel 2 deferred tasks of mail with “welcome” in the name?', 'Cancel 2'],
    ['Purge settled', 'Purge 2 settled tasks of mail with “welcome” in the name?', 'Purge 2']
  ] as const) {
    await page.getByRole('button', { name }).click()
    await page.getByRole('dialog', { name: title }).getByRole('button', { name: yes }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  }
  await page.locator('#notice', { hasText: '2 tasks purged.' }).waitFor()
  t.strictSame(fleet.changes, [
    'PUT kinds/tasks/retry?kind=mail&status=failed&search=welcome', 'PUT kinds/tasks/cancel?kind=mail&status=deferred&search=welcome',
    'DELETE kinds/tasks?kind=mail&status=settled&search=welcome'
  ])
  t.strictSame(problems, [])
})

t.test('nothing is changed without a yes', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail', fleet => { fleet.count = { count: 98, exact: true } })
  for (const name of ['Retry all failed', 'Cancel all deferred', 'Purge settled', 'Retry welcome:1']) {
    await page.getByRole('button', { name }).last().click()
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  }
  t.strictSame(fleet.changes, [])
})

t.test('an action that the server does not allow has no button', inBrowser, async t => {
  const { page, problems } = await openFleet(t, '?fleet=mail', fleet => {
    fleet.kinds = [fakeKind('mail', { ...fleet.kinds[0], can: [], schedules: [{ name: 'digest', every: 1000, nextAt: Date.now() }] })]
    fleet.tasks = fleet.tasks.map(task => ({ ...task, can: [] }))
  })
  await page.getByText('1 schedule').click()
  await page.getByText('digest').waitFor()
  await page.getByRole('row', { name: 'welcome:1' }).getByRole('button', { name: 'welcome:1', exact: true }).click()
  await page.getByRole('dialog').getByText('failed').first().waitFor()
  const names = await page.getByRole('button').allTextContents()
  await page.keyboard.press('Escape')
  names.push(...await page.getByRole('button').allTextContents())
  t.strictSame(names.filter(name => /^(Retry|Cancel|Purge|Pause this|Drop|Run|Remove|Show data)/.test(name)), [])
  t.strictSame(problems, [])
})

t.test('a task that waits for its next attempt says so, and may run now', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail', fleet => {
    fleet.tasks.push(fakeTask('mail', 'later', { status: 'deferred', attempt: 1, maxAttempts: 5, startedAt: ago(60_000), startsAt: ago(-270_000), error: refused, can: ['cancel', 'promote'] }))
  })
  const row = page.getByRole('row', { name: 'later' })
  await row.getByText('retrying 2/5').waitFor()
  await row.getByText('in 4 m').waitFor()
  await row.getByText(refused.message).waitFor()
  t.equal(await row.locator('.duration').innerText(), '')
  await row.getByRole('button', { name: 'Run now later' }).click()
  await page.getByRole('button', { name: 'Run it now' }).click()
  await page.locator('#notice', { hasText: 'later may start now.' }).waitFor()
  t.match(fleet.changes, [/^PUT kinds\/task\/promote\?kind=mail&name=later&id=\d+$/])
})

t.test('the details show every attempt with its error, and the data on request', inBrowser, async t => {
  const now = Date.now()
  const { page, problems } = await openFleet(t, '?fleet=', fleet => {
    fleet.tasks.push(fakeTask('mail', 'third', {
      status: 'completed',
      attempt: 3,
      maxAttempts: 3,
      createdAt: ago(60_000, now),
      settledAt: ago(10_000, now),
      worker: { host: 'web-2', pid: 4130 },
      attempts: [
        { attempt: 1, startedAt: ago(50_000, now), endedAt: ago(49_000, now), worker: { host: 'web-1', pid: 4127 }, error: { name: 'Error', message: 'first fault' } },
        { attempt: 2, startedAt: ago(40_000, now), endedAt: ago(37_500, now), worker: { host: 'web-2', pid: 4130 }, error: { name: 'Error', message: 'second fault' } },
        { attempt: 3, startedAt: ago(20_000, now), endedAt: ago(10_000, now), worker: { host: 'web-2', pid: 4130 } }
      ]
    }))
  })
  await page.getByRole('row', { name: 'third' }).click()
  const dialog = page.getByRole('dialog', { name: 'third' })
  await dialog.getByText('3 of 3').waitFor()
  const steps = await dialog.locator('.timeline li').allInnerTexts()
  t.match(steps.map(step => step.replace(/\s+/g, ' ')), [
    /\d\d:\d\d:\d\d\.\d{3} Added/,
    /^\d\d:\d\d:\d\d\.\d{3} Attempt 1 started/,
    /Attempt 1 failed on web-1, process 4127 after 1 s first fault$/,
    /Attempt 2 started/,
    /Attempt 2 failed on web-2, process 4130 after 2\.5 s second fault$/,
    /Attempt 3 started/,
    /Attempt 3 completed on web-2, process 4130 after 10 s$/
  ])
  t.ok(await dialog.getByText('Ran on').isVisible())
  await dialog.getByRole('button', { name: 'Show data and result' }).click()
  await dialog.getByText('anna@example.com').waitFor()
  t.equal(await page.evaluate("document.getElementById('details').contains(document.activeElement)"), true)
  t.strictSame(problems, [])
})

t.test('one settled task is dropped', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail')
  fleet.replies = [{ json: { purged: 1 } }]
  await page.getByRole('row', { name: 'welcome:1' }).click()
  await page.getByRole('button', { name: 'Drop from the list' }).click()
  await page.getByRole('button', { name: 'Drop it' }).click()
  await page.locator('#notice', { hasText: 'welcome:1 is dropped.' }).waitFor()
  t.strictSame(fleet.changes, ['DELETE kinds/tasks?status=settled&kind=mail&name=welcome%3A1'])
})

t.test('the latency and the processes of a kind are shown', inBrowser, async t => {
  const { page } = await openFleet(t, '?fleet=mail')
  await page.getByText(/^The oldest task has waited 4 m 1\d s$/).waitFor()
  await page.getByText('1 process runs its tasks').click()
  const worker = page.getByRole('listitem').filter({ hasText: 'web-1' })
  await worker.getByText('process 4127').waitFor()
  await worker.getByText('for 2 h').waitFor()
})

t.test('a schedule is run now and removed', inBrowser, async t => {
  const { page, fleet, problems } = await openFleet(t, '?fleet=report', fleet => {
    fleet.kinds[1]!.schedules = [{ name: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Zurich', nextAt: Date.now() + 270_000 }]
  })
  await page.getByText('1 schedule').click()
  await page.getByText('next in 4 m').waitFor()
  await page.getByRole('button', { name: 'Run now nightly' }).click()
  await page.getByRole('button', { name: 'Run it now' }).click()
  await page.locator('#notice', { hasText: 'nightly has been started.' }).waitFor()
  await page.getByRole('button', { name: 'Remove nightly' }).click()
  await page.getByRole('button', { name: 'Remove it' }).click()
  await page.locator('#notice', { hasText: 'nightly is removed.' }).waitFor()
  t.strictSame(fleet.changes, ['PUT kinds/schedules/run?kind=report&name=nightly', 'DELETE kinds/schedules?kind=report&name=nightly'])
  t.strictSame(problems, [])
})

t.test('the tasks of all kinds are in one view, with their kinds', inBrowser, async t => {
  const { page, url } = await openFleet(t, '')
  await page.getByRole('link', { name: /^All kinds of the fleet 98 failed/ }).click()
  await page.waitForURL(`${url}?fleet=`)
  await page.getByRole('row', { name: 'annual' }).getByText('report', { exact: true }).waitFor()
  await page.getByRole('row', { name: 'welcome:1' }).getByText('mail', { exact: true }).waitFor()
  await page.getByRole('row', { name: 'annual' }).click()
  await page.getByRole('dialog', { name: 'annual' }).waitFor()
  await page.reload()
  await page.getByRole('dialog', { name: 'annual' }).getByText('report', { exact: true }).waitFor()
})

t.test('while the task server does not answer, the page is not live and the fleet cannot be changed', inBrowser, async t => {
  const { page, fleet } = await openFleet(t, '?fleet=mail')
  await page.getByRole('row', { name: 'welcome:1' }).waitFor()
  fleet.outage = { status: 503, json: { message: 'The server of the fleet is away', code: 'FST_ERR_TASK_UNREACHABLE' } }
  await page.locator('#connection', { hasText: 'Not readable' }).waitFor()
  await page.getByText('The tasks cannot be read').waitFor()
  await page.getByRole('button', { name: 'Pause this kind' }).waitFor({ state: 'hidden' })
  for (const name of ['Retry all failed', 'Cancel all deferred', 'Purge settled']) {
    t.equal(await page.getByRole('button', { name }).isVisible(), false, name)
  }
})

t.test('the number of failures is in the title of the tab', inBrowser, async t => {
  const { page } = await openFleet(t, '')
  await untilTitle(page, '(2 failed) Tasks')
  t.equal(await page.locator('link[rel=icon]').getAttribute('href'), 'icon.svg')
})
