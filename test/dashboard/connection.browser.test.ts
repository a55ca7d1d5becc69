import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

t.test('a paused page shows nothing new until it is resumed', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'Pause' }).click()
  t.equal(await page.locator('#connection').innerText(), 'Paused')
  const { page: other } = await openPage(t, url)
  app.addTask(untilAborted, { name: 'one' })
  await other.getByRole('row', { name: 'one' }).waitFor()
  t.equal(await page.getByRole('row', { name: 'one' }).count(), 0)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.getByRole('row', { name: 'one' }).waitFor()
  t.equal(await page.locator('#connection').innerText(), 'Live')
  t.strictSame(problems, [])
})

t.test('a page that gets no stream polls', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { maxStreams: 1 })
  await openPage(t, url)
  const { page } = await openPage(t, url)
  await page.locator('#connection[data-state="polling"]').waitFor()
  app.addTask(untilAborted, { name: 'one' })
  await page.getByRole('row', { name: 'one' }).waitFor()
})

t.test('a lost connection is shown, and recovers', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const { page } = await openPage(t, url)
  await page.context().setOffline(true)
  await page.locator('#connection', { hasText: 'Lost' }).waitFor()
  await page.getByText('Connection lost', { exact: true }).waitFor()
  app.addTask(untilAborted, { name: 'one' })
  await page.context().setOffline(false)
  await page.locator('#connection', { hasText: 'Live' }).waitFor()
  await page.getByRole('row', { name: 'one' }).waitFor()
})

t.test('a server that is started again is found again', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  // It keeps the port while no app listens, so that no other process takes it.
  let upstream: string | undefined = url
  const relay = createServer(socket => {
    if (upstream === undefined) socket.destroy()
    else pipeline(socket, connect(Number(new URL(upstream).port), 'localhost'), socket, () => {})
  })
  await once(relay.listen(0, 'localhost'), 'listening')
  t.teardown(() => relay.close())
  const { page } = await openPage(t, Object.assign(new URL(url), { port: (relay.address() as AddressInfo).port }).href)
  upstream = undefined
  await app.close()
  await page.locator('#connection', { hasText: 'Lost' }).waitFor()
  const { app: next, url: nextUrl } = await serveDashboard(t)
  next.addTask(untilAborted, { name: 'one' })
  upstream = nextUrl
  await page.locator('#connection', { hasText: 'Live' }).waitFor()
  await page.getByRole('row', { name: 'one' }).waitFor()
})

for (const [name, reply, title, button] of [
  ['a redirect to a login', { status: 302, headers: { location: '/login' } }, 'You are signed out', 'Reload the page'],
  ['a login page in place of JSON', { status: 200, contentType: 'text/html', body: '<h1>Log in</h1>' }, 'You are signed out', 'Reload the page'],
  ['a 401', { status: 401, json: { message: 'Who are you?' } }, 'You are signed out', 'Reload the page'],
  ['a 403', { status: 403, json: { message: 'Not you' } }, 'You may not see this', 'Try again'],
  ['a 400', { status: 400, json: { message: 'Too long' } }, 'The server refuses what the page asks for', 'Show all tasks'],
  ['a 503', { status: 503, headers: { 'retry-after': '3600' }, json: { message: 'Later' } }, 'Connection lost', 'Try now']
] as const) {
  t.test(`the page says what ${name} means, and offers the right button`, inBrowser, async t => {
    const { app, url } = await serveDashboard(t)
    app.addTask(untilAborted, { name: 'one' })
    const { page } = await openPage(t, url)
    await page.getByRole('row', { name: 'one' }).waitFor()
    let requests = 0
    await page.route(/\/(tasks|events)\?.*status=running/, async route => {
      requests++
      await route.fulfill(reply)
    })
    await page.getByRole('button', { name: '1 running' }).click()
    await page.getByText(title, { exact: true }).waitFor()
    t.equal(await page.getByRole('row', { name: 'one' }).count(), 0, 'the rows of the old filter are gone')
    const after = requests
    await page.unroute(/\/(tasks|events)\?.*status=running/)
    await page.getByRole('button', { name: button }).click()
    await page.locator('#connection', { hasText: 'Live' }).waitFor()
    await page.getByRole('row', { name: 'one' }).waitFor()
    t.ok(after <= (title === 'Connection lost' ? 10 : 2), `${after} requests`)
  })
}

t.test('a request that the server refuses is not repeated', inBrowser, async t => {
  const { url } = await serveDashboard(t)
  const { page } = await openPage(t, url)
  let requests = 0
  await page.clock.install()
  await page.route(/\/(tasks|events)\?/, async route => {
    requests++
    await route.fulfill({ status: 400, json: { message: 'Too long' } })
  })
  await page.getByRole('button', { name: '0 failed' }).click()
  await page.getByText('Too long').first().waitFor()
  const before = requests
  await page.clock.runFor(120_000)
  t.equal(requests, before)
})
