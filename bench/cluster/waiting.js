import { openTasks } from './contenders.js'
import { openServer } from './server-side.js'

const SIZES = [500, 1000, 2000, 4000]

/** How often the server is asked for each task while one waits for many: a row for each size, and one of the time. */
export async function waiting (url) {
  const server = await openServer(url)
  const rows = []
  for (const size of SIZES) {
    const { app, kinds: { waited } } = await openTasks(url, app => ({ waited: app.cluster.defineTask(`waited${size}`, () => {}) }))
    const before = await server.calls()
    const began = performance.now()
    const tasks = await waited.addTasks(Array.from({ length: size }, () => ({ data: 0 })))
    await Promise.all(tasks.map(task => task.finished))
    const seconds = (performance.now() - began) / 1000
    const calls = (await server.calls() - before) / size
    const met = calls <= 1.5 * (rows[0]?.tasks ?? calls)
    rows.push({ what: `${server.longest}s a task, waiting for ${size} (${seconds.toFixed(1)} s)`, tasks: calls, ...(size === SIZES.at(-1) && { goal: `≤ 1.5 × with ${SIZES[0]}`, met }) })
    await app.close()
  }
  await server.close()
  return rows
}
