import { once } from 'node:events'
import t from 'tap'
import type { Task } from '../../index.ts'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

/** Work that cleans up until a gate opens. */
function slowToStop () {
  const gate = withResolvers()
  const work = async (_app: unknown, { signal }: Task) => {
    await once(signal, 'abort')
    await gate.promise
    throw signal.reason
  }
  return { gate, work }
}

t.test('a cancellation asks, then shows cancelling, then how the task has ended', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { gate, work } = slowToStop()
  const task = app.addTask(work, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  const row = page.getByRole('row', { name: 'one' })
  await row.getByRole('button', { name: 'Cancel one' }).click()
  await page.getByRole('dialog').getByText('Cancel one?').waitFor()
  t.equal(task.status, 'running', 'not before the answer')
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await row.getByText('cancelling', { exact: true }).waitFor()
  gate.resolve()
  await row.getByText('cancelled', { exact: true }).waitFor()
  t.equal(task.status, 'cancelled')
  t.strictSame(problems, [])
})

t.test('a reply that comes after the end does not undo it', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { gate, work } = slowToStop()
  app.addTask(work, { name: 'one' })
  const { page } = await openPage(t, url)
  const ended = page.getByRole('row', { name: 'one' }).getByText('cancelled', { exact: true })
  await page.route(/tasks\/[^/]+$/, async (route, request) => {
    if (request.method() !== 'DELETE') return await route.continue()
    const response = await route.fetch()
    t.equal((await response.json()).status, 'cancelling')
    gate.resolve()
    await ended.waitFor()
    await route.fulfill({ response })
  })
  await page.getByRole('button', { name: 'Cancel one' }).click()
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByText('one is cancelled.').first().waitFor()
  t.ok(await ended.isVisible())
})

t.test('a task runs on if the question is answered with no', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  const cancel = page.getByRole('button', { name: 'Cancel one' })
  await cancel.click()
  await page.getByRole('button', { name: 'Keep it' }).click()
  await cancel.click()
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'hidden' })
  t.equal(task.status, 'running')
})

t.test('work that does not stop stays cancelling', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(deaf, { name: 'one' })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'Cancel one' }).click()
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByText('one is being cancelled.').first().waitFor()
  await page.getByRole('row', { name: 'one' }).getByText('cancelling', { exact: true }).waitFor()
  t.ok(await page.getByRole('button', { name: 'Cancel one' }).isDisabled())
  t.equal(task.status, 'cancelling')
})

t.test('a cancellation that is refused says why, and the task runs on', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const task = app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  await page.route(/tasks\/[^/]+$/, async (route, request) => {
    await (request.method() === 'DELETE' ? route.fulfill({ status: 403, json: { message: 'Not any more' } }) : route.continue())
  })
  await page.getByRole('button', { name: 'Cancel one' }).click()
  await page.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByText(/^one was not cancelled\./).first().waitFor()
  await page.getByRole('row', { name: 'one' }).getByText('running').waitFor()
  t.equal(task.status, 'running')
})

t.test('a task is cancelled from its details', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'one', exact: true }).click()
  const details = page.getByRole('dialog', { name: 'one', exact: true })
  await details.getByRole('button', { name: 'Cancel the task' }).click()
  await page.getByRole('dialog', { name: 'Cancel one?' }).getByRole('button', { name: 'Cancel the task' }).click()
  await details.locator('.state').getByText('cancelled', { exact: true }).waitFor()
  t.strictSame(problems, [])
})

t.test('settled tasks are purged once that is confirmed', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => {}, { name: 'done' })
  app.addTask(untilAborted, { name: 'runs' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'Purge settled' }).click()
  await page.getByRole('dialog', { name: 'Purge 1 settled task?' }).getByRole('button', { name: 'Purge 1' }).click()
  await page.getByText('1 task purged.').first().waitFor()
  await page.getByRole('row', { name: 'done' }).waitFor({ state: 'detached' })
  await page.getByRole('row', { name: 'runs' }).waitFor()
  t.equal(app.tasks.size, 1)
  t.strictSame(problems, [])
})

t.test('the rows stay while the list is read again after a purge', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => {}, { name: 'done' })
  app.addTask(untilAborted, { name: 'runs' })
  const { page, problems } = await openPage(t, url, {}, page => page.clock.install())
  const read = withResolvers()
  await page.clock.pauseAt(Date.now() + 60_000) // long after the list was first asked for
  await page.route(/\/events\?/, async route => {
    await read.promise
    await route.continue()
  })
  await page.getByRole('button', { name: 'Purge settled' }).click()
  await page.getByRole('button', { name: 'Purge 1' }).click()
  await page.locator('#notice', { hasText: '1 task purged.' }).waitFor()
  await page.clock.runFor(1000) // the page looks once a second whether it has to say that it waits
  t.ok(await page.getByRole('row', { name: 'runs' }).isVisible())
  read.resolve()
  await page.getByRole('row', { name: 'done' }).waitFor({ state: 'detached' })
  t.strictSame(problems, [])
})

t.test('a read-only page has no button that changes anything', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { readOnly: true })
  app.addTask(untilAborted, { name: 'one' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'one', exact: true }).click()
  await page.getByRole('dialog').getByText('running').waitFor()
  t.equal(await page.getByRole('button', { name: /cancel|purge/i }).and(page.locator(':not(#statuses *)')).count(), 0)
  t.strictSame(problems, [])
})

t.test('who may not cancel a task sees no button for it', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { authorize: (request, action, task) => action !== 'cancel' || task.name === 'mine' })
  app.addTask(untilAborted, { name: 'mine' })
  app.addTask(untilAborted, { name: 'theirs' })
  const { page } = await openPage(t, url)
  await page.getByRole('button', { name: 'Cancel mine' }).waitFor()
  t.equal(await page.getByRole('button', { name: 'Cancel theirs' }).count(), 0)
})

t.test('a purge and a cancellation of many follow the filters', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (const kind of ['mail', 'report']) {
    app.addTask(() => { throw new Error('no') }, { name: `${kind}:failed`, kind })
    app.addTask(() => {}, { name: `${kind}:done`, kind })
    app.addTask(untilAborted, { name: `${kind}:runs`, kind })
  }
  const { page, problems } = await openPage(t, `${url}?status=failed&kind=mail`)
  await page.getByRole('button', { name: 'Purge failed' }).click()
  await page.getByRole('dialog', { name: 'Purge 1 failed task of mail?' }).getByRole('button', { name: 'Purge 1' }).click()
  await page.locator('#notice', { hasText: '1 task purged.' }).waitFor()
  t.strictSame([...app.tasks].map(({ name }) => name).sort(), ['mail:done', 'mail:runs', 'report:done', 'report:failed', 'report:runs'])
  await page.goto(`${url}?status=running&search=REPORT`)
  await page.getByRole('button', { name: 'Cancel all running' }).click()
  await page.getByRole('dialog', { name: 'Cancel 1 running task with “REPORT” in the name?' }).getByRole('button', { name: 'Cancel 1' }).click()
  await page.locator('#notice', { hasText: '1 task cancelled.' }).waitFor()
  t.equal(app.getTask('mail:runs').status, 'running')
  t.strictSame(problems, [])
})

t.test('one settled task is dropped', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => {}, { name: 'done' })
  app.addTask(() => {}, { name: 'other' })
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'done', exact: true }).click()
  await page.getByRole('button', { name: 'Drop from the list' }).click()
  await page.getByRole('button', { name: 'Drop it' }).click()
  await page.locator('#notice', { hasText: 'done is dropped.' }).waitFor()
  t.strictSame([...app.tasks].map(({ name }) => name), ['other'])
  t.strictSame(problems, [])
})

t.test('a task that is being dropped is not read again when it leaves the list', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => {}, { name: 'done' })
  const { page, problems } = await openPage(t, url)
  await page.route(/tasks\?/, async (route, request) => {
    if (request.method() !== 'DELETE') return await route.continue()
    const response = await route.fetch()
    await page.locator('#tasks tr.gone', { hasText: 'done' }).waitFor()
    await route.fulfill({ response })
  })
  await page.getByRole('button', { name: 'done', exact: true }).click()
  await page.getByRole('button', { name: 'Drop from the list' }).click()
  await page.getByRole('button', { name: 'Drop it' }).click()
  await page.locator('#notice', { hasText: 'done is dropped.' }).waitFor()
  await page.getByRole('dialog', { name: 'done' }).waitFor({ state: 'hidden' })
  t.strictSame(problems, [])
})

t.test('a drop that is refused says why, and the details go on', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(() => {}, { name: 'done' })
  const { page } = await openPage(t, url)
  await page.route(/tasks\?/, async (route, request) => {
    await (request.method() === 'DELETE' ? route.fulfill({ status: 403, json: { message: 'Not any more' } }) : route.continue())
  })
  await page.getByRole('button', { name: 'done', exact: true }).click()
  await page.getByRole('button', { name: 'Drop from the list' }).click()
  await page.getByRole('button', { name: 'Drop it' }).click()
  await page.getByText('done was not dropped. Not any more').first().waitFor()
  t.ok(await page.getByRole('dialog', { name: 'done' }).isVisible())
})
