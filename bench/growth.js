import { readyApp } from './contenders.js'
import { measureRounds, ratios, timeOf } from './rounds.js'

const ROUNDS = 5
const ADDED = 50_000
// How many settled tasks are kept by default.
const SETTLED = 1000

const work = () => {}
const names = Array.from({ length: ADDED }, (_, i) => `report:${i}`)

async function appWithLive (count) {
  const app = await readyApp()
  const never = new Promise(() => {})
  for (let i = 0; i < count; i++) app.addTask(() => never, { name: `live:${i}` })
  return app
}

function mapWithLive (count) {
  return new Map(Array.from({ length: count }, (_, i) => [`live:${i}`, new Promise(() => {})]))
}

/** So many deletions that the names are copied on the way. */
const time = (deletions, contender) => timeOf(contender, { min_samples: 500_000 / deletions, min_cpu_time: 0 })

const addAndDelete = map => time(ADDED, {
  bench: () => {
    for (const name of names) {
      map.set(name, Promise.resolve())
      map.delete(name)
    }
  }
})

/** Work that returns no promise has settled when addTask returns: what is measured is the registry alone. */
const addAndPurge = app => time(ADDED, {
  bench: () => {
    for (const name of names) {
      app.addTask(work, { name })
      app.purgeTasks()
    }
  }
})

const purge = app => time(SETTLED, {
  setup: () => { for (let i = 0; i < SETTLED; i++) app.addTask(work, { name: names[i] }) },
  bench: () => app.purgeTasks()
})

/** What adding and purging costs with many live tasks, beside the same with 1,000, as the table's rows. */
export async function growth () {
  const maps = { few: mapWithLive(1000), many: mapWithLive(10_000), most: mapWithLive(100_000) }
  const apps = { few: await appWithLive(1000), many: await appWithLive(10_000), most: await appWithLive(100_000) }
  const byHand = ratios(await measureRounds(maps, addAndDelete, ROUNDS), 'few')
  const both = ratios(await measureRounds(apps, addAndPurge, ROUNDS), 'few')
  const purged = ratios(await measureRounds(apps, purge, ROUNDS), 'few')
  return [
    { what: 'adding and purging beside 1,000 live tasks', cells: { byHand: byHand.few, tasks: both.few } },
    { what: 'adding and purging beside 10,000', cells: { byHand: byHand.many, tasks: both.many } },
    { what: 'adding and purging beside 100,000', cells: { byHand: byHand.most, tasks: both.most } },
    { what: 'purging beside 1,000 live tasks', cells: { tasks: purged.few } },
    { what: 'purging beside 10,000', cells: { tasks: purged.many } },
    { what: 'purging beside 100,000', cells: { tasks: purged.most }, goals: { '≤ 1.5': purged.most <= 1.5 } }
  ]
}
