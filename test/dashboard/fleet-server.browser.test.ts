import t from 'tap'
import cluster from '../../lib/cluster/index.ts'
import { onEveryServer } from '../cluster/fixtures/engines.ts'
import { inBrowser, openPage, serveDashboard } from './fixtures/browser.ts'

onEveryServer(t, (t, engine) => {
  t.test('an operator sees what failed and why, presses Retry, and it completes', inBrowser, async t => {
    let isUp = false
    const { app, url } = await serveDashboard(t, {}, async app => {
      await app.register(cluster, { connection: engine.connection!, prefix: `page_${process.pid}` })
      app.cluster.defineTask('mail', async (_app, { data }) => {
        if (!isUp) throw new Error(`The mail server refuses ${data}`)
        return 'sent'
      }, { attempts: 2 })
    })
    const mails = app.cluster.getKind('mail')
    t.teardown(() => mails.purgeTasks())
    await mails.addTask('ann@example.com', { name: 'welcome:ann' })
    await mails.idle()

    const { page, problems } = await openPage(t, url)
    const failures = page.locator('#failures')
    await failures.getByText('The mail server refuses ann@example.com').waitFor()
    await failures.getByRole('button', { name: 'welcome:ann', exact: true }).click()
    const details = page.getByRole('dialog', { name: 'welcome:ann' })
    await details.getByText('Attempt 1 failed').waitFor()
    await details.getByText('Attempt 2 failed').waitFor()
    isUp = true
    await details.getByRole('button', { name: 'Retry' }).click()
    await page.getByRole('dialog', { name: 'Retry welcome:ann?' }).getByRole('button', { name: 'Retry' }).click()
    await details.locator('.state').getByText('completed', { exact: true }).waitFor()
    await details.getByText('sent', { exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('link', { name: /^mail 0 failed/ }).waitFor()
    t.equal((await mails.getTask('welcome:ann')).status, 'completed')
    t.strictSame(problems, [])
  })
})
