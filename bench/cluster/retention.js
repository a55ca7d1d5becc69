import { randomBytes } from 'node:crypto'
import { openTasks } from './contenders.js'
import { openServer } from './server-side.js'

const MEGABYTE = 2 ** 20

/** Text that no server can compress. */
const text = () => randomBytes(25_000).toString('hex')

/** What the server holds after large tasks of which few are kept: a row. */
export async function retention (url) {
  const server = await openServer(url)
  const before = await server.bytes()
  const { app, kinds: { large } } = await openTasks(url, app => ({
    large: app.cluster.defineTask('large', async function * () {
      for (let i = 0; i < 3; i++) yield text()
      return text()
    }, { maxSettled: 5 })
  }))
  await large.addTasks(Array.from({ length: 300 }, () => ({ data: 0 })))
  await large.idle()
  await app.close()
  const megabytes = (await server.bytes() - before) / MEGABYTE
  await server.close()
  const what = url.startsWith('redis') ? 'held' : 'in the table of events'
  return [{ what: `${what} after 300 tasks with 200 kB each, 5 kept`, tasks: megabytes, unit: 'MB', goal: '≤ 10 MB', met: megabytes <= 10 }]
}
