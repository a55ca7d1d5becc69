import { setTimeout } from 'node:timers/promises'
import { openTasks } from './contenders.js'
import { openServer } from './server-side.js'

const ADDED_AT_ONCE = 1000

/** How long the server is busy at a time while many tasks are retried, cancelled and purged at once: two rows each. */
export async function many (url, size) {
  const server = await openServer(url)
  const { app, kinds: { failing } } = await openTasks(url, app => ({
    failing: app.cluster.defineTask('failing', () => { throw new Error('failed') }, { maxSettled: Infinity, concurrency: 50 })
  }), {}, { level: 'silent', onError () {} })
  const untilFailed = async () => { while ((await failing.count()).failed < size) await setTimeout(50) }
  for (let i = 0; i < size; i += ADDED_AT_ONCE) await failing.addTasks(Array.from({ length: ADDED_AT_ONCE }, () => ({ data: i })))
  await untilFailed()
  await failing.pause()

  const rows = []
  async function measure (what, verb) {
    await server.reset()
    const began = performance.now()
    const count = await verb()
    const seconds = (performance.now() - began) / 1000
    const slowest = await server.slowest()
    if (count !== size) throw new Error(`${what}: ${count} of ${size}`)
    rows.push(
      { what: `${size} ${what}, the longest ${server.longest}`, tasks: slowest, unit: 'ms', goal: `≤ ${server.limit} ms`, met: slowest <= server.limit },
      { what: 'the same, in all', tasks: seconds, unit: 's' }
    )
  }
  await measure('failed tasks retried', () => failing.retryTasks({ limit: size }))
  await measure('deferred tasks cancelled', () => failing.cancelTasks({ limit: size }))
  await failing.resume()
  await untilFailed()
  await measure('cancelled tasks purged', () => failing.purgeTasks())
  await app.close()
  await server.close()
  return rows
}
