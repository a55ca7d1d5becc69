import { measureRounds, ratio } from '../rounds.js'
import { openBare, openTasks } from './contenders.js'

const ROUNDS = 11
const ADDED = 500
const WARM_UP = 4
const PROCESSED = 2000

/** Milliseconds of the wall's clock: most of the time the server has the word. */
async function wall (bench) {
  const began = performance.now()
  await bench()
  return performance.now() - began
}

/** What adding a task and working through many costs, beside bare BullMQ: two rows. */
export async function overhead (url) {
  const data = { month: 5 }
  let left = 0
  let done
  const work = async () => { if (--left === 0) done() }
  const allDone = () => new Promise(resolve => {
    left = PROCESSED
    done = resolve
  })

  const bare = await openBare(url)
  const added = bare.queue('added')
  const processed = bare.queue('processed')
  await processed.pause()
  bare.worker('processed', work)
  const { app, kinds } = await openTasks(url, app => ({
    added: app.cluster.defineTask('added', () => {}),
    processed: app.cluster.defineTask('processed', work)
  }), { work: ['processed'] })
  await kinds.processed.pause()

  const adding = {
    bare: async () => { for (let i = 0; i < ADDED; i++) await added.add('added', data) },
    tasks: async () => { for (let i = 0; i < ADDED; i++) await kinds.added.addTask(data) }
  }
  const working = {
    bare: {
      fill: () => processed.addBulk(Array.from({ length: PROCESSED }, () => ({ name: 'processed', data }))),
      start: () => processed.resume(),
      stop: () => processed.pause()
    },
    tasks: {
      fill: () => kinds.processed.addTasks(Array.from({ length: PROCESSED }, () => ({ data }))),
      start: () => kinds.processed.resume(),
      stop: () => kinds.processed.pause()
    }
  }
  for (let i = 0; i < WARM_UP; i++) for (const add of Object.values(adding)) await add() // compiles them
  const adds = await measureRounds(adding, wall, ROUNDS)
  const works = await measureRounds(working, async ({ fill, start, stop }) => {
    await fill()
    const all = allDone()
    const time = await wall(async () => {
      await start()
      await all
    })
    await stop()
    return PROCESSED / time * 1000
  }, ROUNDS)
  await app.close()
  await bare.close()

  const addRatio = ratio(adds, 'tasks', 'bare')
  const workRatio = ratio(works.slice(2), 'tasks', 'bare') // the first rounds compile
  return [
    { what: 'adding an unnamed task', bare: `${(median(adds, 'bare') / ADDED).toFixed(2)} ms`, tasks: addRatio, goal: '≤ 1.2', met: addRatio <= 1.2 },
    { what: 'tasks worked through in a second', bare: `${Math.round(median(works, 'bare'))}`, tasks: workRatio, goal: '≥ 0.85', met: workRatio >= 0.85 }
  ]
}

export function median (rounds, name) {
  const values = rounds.map(round => round[name]).sort((a, b) => a - b)
  return values[values.length >> 1]
}
