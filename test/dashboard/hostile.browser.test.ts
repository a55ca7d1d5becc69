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

/** Characters that cannot be seen are replaced by a picture of them. */
function shown (text: string): string {
  return text.replaceAll('\u202E', '‹U+202E›').replaceAll('\u2066', '‹U+2066›').replaceAll('\n', '␊')
}

t.test('hostile names, kinds, progress and errors are text', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  for (const [i, text] of hostile.entries()) {
    app.addTask(untilAborted, { name: text, kind: text.slice(0, 1000) }).progress = { text, ['__proto__']: text }
    app.addTask(() => { throw Object.assign(new Error(text), { name: text, code: text }) }, { name: `fails:${i}`, kind: text.slice(0, 1000) })
  }
  const { page, problems } = await openPage(t, url)
  page.on('dialog', () => problems.push('a script ran'))
  await page.locator('#tasks tbody tr').nth(2 * hostile.length - 1).waitFor()
  t.equal(await page.locator(':is(img, svg:not(.plot), script:not([src]), iframe)').count(), 0)
  const names = await page.locator('#tasks tbody .open').allTextContents()
  const reasons = await page.locator('#tasks tbody .why').allTextContents()
  for (const text of hostile.slice(0, -1).map(shown)) {
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

t.test('characters that cannot be seen are shown', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  const names = { ' ': '␣', '\u202Egnp.exe': '‹U+202E›gnp.exe', 'a\u0000b\u007F': 'a␀b␡', '\u200B': '‹U+200B›', 'x\u00A0y': 'x‹U+00A0›y', '👩‍👩‍👧 family': '👩‍👩‍👧 family' }
  for (const name of Object.keys(names)) app.addTask(untilAborted, { name })
  const { page, problems } = await openPage(t, url)
  for (const [name, text] of Object.entries(names)) {
    await page.getByRole('button', { name: text, exact: true }).click()
    await page.getByRole('dialog', { name: text, exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await page.waitForURL(url) // a click before that would be undone by the step back
    t.pass(JSON.stringify(name))
  }
  t.strictSame(problems, [])
})

t.test('a very long name leaves room for the rest of the details', inBrowser, async t => {
  const { app, url } = await serveDashboard(t)
  app.addTask(untilAborted, { name: 'x'.repeat(100_000) })
  const { page } = await openPage(t, url)
  await page.locator('#tasks tbody .open').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByText('running').waitFor()
  const heading = (await dialog.getByRole('heading').first().boundingBox())!
  t.ok(heading.height < 150, `${heading.height} px`)
  t.ok((await page.title()).length < 200)
})
