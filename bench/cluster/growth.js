import { setTimeout } from 'node:timers/promises'
import { measureRounds, ratio } from '../rounds.js'
import { openTasks } from './contenders.js'

const ROUNDS = 15
const READ = 20
const PAGES = 5
const AT_ONCE = 1000

const states = {
  waiting: { options: {}, status: 'deferred' },
  delayed: { options: { delay: 86_400_000 }, status: 'deferred' },
  settled: { options: {}, status: 'completed' }
}

/** What reading one task and a page of them costs with many, beside the same with the fewest: rows by state and size. */
export async function growth (url, sizes) {
  const rows = []
  const define = app => Object.fromEntries(Object.keys(states).flatMap(state => sizes.map(size => {
    const kind = `${state}-${size}`
    return [kind, app.cluster.defineTask(kind, () => {}, { maxSettled: Infinity, concurrency: 50 })]
  })))
  const { app, kinds } = await openTasks(url, define, { work: sizes.map(size => `settled-${size}`) })
  for (const [state, { options, status }] of Object.entries(states)) {
    const reads = {}
    const pages = {}
    for (const size of sizes) {
      const kind = kinds[`${state}-${size}`]
      const names = []
      for (let i = 0; i < size; i += AT_ONCE) {
        const added = await kind.addTasks(Array.from({ length: AT_ONCE }, () => ({ data: i, ...options })))
        names.push(added[0].name)
      }
      if (state === 'settled') while ((await kind.count()).completed < size) await setTimeout(50)
      reads[size] = async () => { for (let i = 0; i < READ; i++) await kind.getTask(names[i % names.length]) }
      pages[size] = async () => { for (let i = 0; i < PAGES; i++) await kind.tasks({ status, limit: 100 }) }
    }
    for (const [what, contenders] of [['getTask', reads], ['a page of tasks()', pages]]) {
      for (const bench of Object.values(contenders)) await bench()
      const rounds = await measureRounds(contenders, async bench => {
        const began = performance.now()
        await bench()
        return performance.now() - began
      }, ROUNDS)
      for (const size of sizes.slice(1)) {
        const tasks = ratio(rounds, size, sizes[0])
        const last = size === sizes.at(-1)
        rows.push({ what: `${what} beside ${size} ${state} tasks, with ${sizes[0]} it is 1`, tasks, ...(last && { goal: '≤ 1.5', met: tasks <= 1.5 }) })
      }
    }
  }
  await app.close()
  return rows
}
