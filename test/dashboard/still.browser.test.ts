import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

/** Two hundred tasks, each of which changes ten times a second once it is told to, while others come and go. */
async function serveBusy (t: Test) {
  const { app, url } = await serveDashboard(t)
  const tasks = Array.from({ length: 200 }, (_, i) => app.addTask(untilAborted, { name: `task:${i}` }))
  let turn = 0
  let timer: NodeJS.Timeout | undefined
  const change = () => {
    turn++
    for (const task of tasks) task.progress = turn % 2 === 0 ? { done: turn % 100, total: 100 } : 'a text that is long enough to be cut off'
    app.addTask(() => { throw new Error('failed at once') }, { name: `new:${turn}`, log: app.log })
    if (turn < 100) tasks[turn]!.cancel()
  }
  t.teardown(() => clearInterval(timer))
  return { url: `${url}?limit=200&sort=newest`, start: () => { timer = setInterval(change, 100) } }
}

/** Where the name of a task has been, and whether it had the focus, while the table changed two thousand times. */
async function watch (page: Page, name: string) {
  return await page.evaluate(`(async () => {
    const button = [...document.querySelectorAll('#tasks tbody .open')].find(button => button.textContent === '${name}')
    const seen = new Set()
    let changes = 0
    const observer = new MutationObserver(records => { changes += records.length })
    observer.observe(document.querySelector('#tasks tbody'), { subtree: true, childList: true, characterData: true, attributes: true })
    while (changes < 2000) {
      const { x, y } = button.getBoundingClientRect()
      seen.add([x, y, document.activeElement === button].join())
      await new Promise(requestAnimationFrame)
    }
    observer.disconnect()
    return [...seen]
  })()`) as string[]
}

t.test('nothing moves under the focus', inBrowser, async t => {
  const { url, start } = await serveBusy(t)
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'task:150', exact: true }).focus()
  start()
  const seen = await watch(page, 'task:150')
  t.equal(seen.length, 1)
  t.match(seen[0], /true$/)
  await page.getByRole('button', { name: /^Show \d+ new tasks?$/ }).waitFor()
  t.strictSame(problems, [])
})

t.test('nothing moves under the pointer', inBrowser, async t => {
  const { url, start } = await serveBusy(t)
  const { page, problems } = await openPage(t, url)
  await page.getByRole('button', { name: 'task:150', exact: true }).hover()
  start()
  t.equal((await watch(page, 'task:150')).length, 1)
  await page.mouse.move(0, 0)
  await page.getByRole('button', { name: /^Show \d+ new tasks?$/ }).waitFor({ state: 'hidden' })
  t.strictSame(problems, [])
})

t.test('a new failure does not push the table away from the pointer', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'one' })
  const { page } = await openPage(t, url)
  const cancel = page.getByRole('button', { name: 'Cancel one' })
  await cancel.hover()
  const before = await cancel.boundingBox()
  app.addTask(() => { throw new Error('no') }, { name: 'fails' })
  await page.getByRole('button', { name: '1 failed' }).waitFor()
  await page.locator('#failures').getByRole('button', { name: 'fails', exact: true }).waitFor()
  t.strictSame(await cancel.boundingBox(), before)
})

t.test('failures are sorted by when they settled, and do not move under the pointer', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  let fail!: (error: Error) => void
  app.addTask(() => new Promise((resolve, reject) => { fail = reject }), { name: 'long' })
  for (const name of ['a', 'b', 'c', 'd']) app.addTask(() => { throw new Error(`${name} is broken`) }, { name })
  const { page, problems } = await openPage(t, url)
  const names = page.locator('#failures .open')
  await names.nth(3).waitFor()
  await names.first().hover()
  const before = await names.allTextContents()
  fail(new Error('The long one failed last'))
  const more = page.getByRole('button', { name: 'Show 1 new failure' })
  await more.waitFor()
  t.strictSame(await names.allTextContents(), before)
  await more.click()
  await page.locator('#failures li:first-child', { hasText: 'The long one failed last' }).waitFor()
  t.equal(await names.first().innerText(), 'long')
  t.strictSame(problems, [])
})
