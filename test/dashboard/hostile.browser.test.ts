import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

const hostile = [
  '<img src=x onerror=alert(1)>',
  '</script><script>alert(1)</script>',
  '"><svg onload=alert(1)>',
  "javascript:alert('1')",
  '{{title}} {{constructor}}',
  '\u202Egnp.exe\u2066',
  '__proto__',
  'constructor',
  'a\nevent: tasks\ndata: {}\n\nb',
  'x'.repeat(100_000)
]

t.test('hostile names, kinds, progress and errors are text', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (const [i, text] of hostile.entries()) {
    app.addTask(untilAborted, { name: text, kind: text.slice(0, 1000) }).progress = { text, ['__proto__']: text }
    app.addTask(() => { throw Object.assign(new Error(text), { name: text, code: text }) }, { name: `fails:${i}`, kind: text.slice(0, 1000) })
  }
  const { page, problems } = await openPage(t, url)
  page.on('dialog', () => problems.push('a script ran'))
  await page.locator('tbody tr').nth(2 * hostile.length - 1).waitFor()
  t.equal(await page.locator(':is(img, svg, script:not([src]), iframe)').count(), 0)
  const names = await page.locator('tbody .open').allTextContents()
  const reasons = await page.locator('tbody .error span').allTextContents()
  for (const text of hostile.slice(0, -1)) {
    t.ok(names.includes(text), `the name ${JSON.stringify(text)}`)
    t.ok(reasons.includes(text), `the error ${JSON.stringify(text)}`)
  }
  t.strictSame(problems, [])
})

t.test('a hostile task is text in its details', inBrowser, async t => {
  const { app, url } = await serveDashboard(t, { title: '<b>Tasks</b> {{title}}' })
  const name = hostile[0]!
  app.addTask(() => { throw Object.assign(new Error(name), { name, code: name }) }, { name, kind: name }).progress = { [name]: name }
  const { page, problems } = await openPage(t, url)
  await page.getByRole('row', { name }).locator('.open').click()
  const details = page.getByRole('dialog', { name })
  await details.getByText(`${name} (${name})`).waitFor()
  t.equal(await page.locator('img').count(), 0)
  t.equal(await page.getByRole('heading', { level: 1 }).innerText(), '<b>Tasks</b> {{title}}')
  t.equal(await page.title(), `${name} · <b>Tasks</b> {{title}}`)
  t.strictSame(problems, [])
})
