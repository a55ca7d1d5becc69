import Fastify from 'fastify'
import tasks from 'fastify-tasks'
import { measure } from 'mitata'
import { measureRounds, processorTime, ratios } from './rounds.js'

const ROUNDS = 5
const ADDED = 50_000
// As many as are kept by default.
const SETTLED = 1000

const work = () => {}
const names = Array.from({ length: ADDED }, (_, i) => `report:${i}`)

async function appWithLive (count) {
  const app = Fastify({ logger: { level: 'warn' } })
  await app.register(tasks)
  await app.ready()
  const never = new Promise(() => {})
  for (let i = 0; i < count; i++) app.addTask(() => never, { name: `live:${i}` })
  return app
}

function setWithLive (count) {
  return new Set(Array.from({ length: count }, () => new Promise(() => {})))
}

/** Nanoseconds, without what `setup` takes. */
async function time (bench, setup = () => {}) {
  const { avg } = await measure(function * () {
    yield { 0: setup, bench: () => bench() }
  }, { now: processorTime, min_samples: 3, min_cpu_time: 20e6 })
  return avg
}

const addAndDelete = set => time(() => {
  for (let i = 0; i < ADDED; i++) {
    const promise = Promise.resolve()
    set.add(promise)
    set.delete(promise)
  }
})

/** Work that returns no promise has settled when addTask returns: what is measured is the registry alone. */
const addAndPurge = app => time(() => {
  for (const name of names) {
    app.addTask(work, { name })
    app.purgeTasks()
  }
})

const purge = app => time(() => app.purgeTasks(), () => {
  for (let i = 0; i < SETTLED; i++) app.addTask(work, { name: names[i] })
})

/** What adding and purging costs with many live tasks, beside the same with 1,000, as the table's rows. */
export async function growth () {
  const sets = { few: setWithLive(1000), many: setWithLive(10_000), most: setWithLive(100_000) }
  const apps = { few: await appWithLive(1000), many: await appWithLive(10_000), most: await appWithLive(100_000) }
  const set = ratios(await measureRounds(sets, addAndDelete, ROUNDS), 'few')
  const both = ratios(await measureRounds(apps, addAndPurge, ROUNDS), 'few')
  const purged = ratios(await measureRounds(apps, purge, ROUNDS), 'few')
  return [
    { what: 'adding and purging beside 1,000 live tasks', cells: { set: set.few, tasks: both.few } },
    { what: 'adding and purging beside 10,000', cells: { set: set.many, tasks: both.many } },
    { what: 'adding and purging beside 100,000', cells: { set: set.most, tasks: both.most } },
    { what: 'purging beside 1,000 live tasks', cells: { tasks: purged.few } },
    { what: 'purging beside 10,000', cells: { tasks: purged.many } },
    { what: 'purging beside 100,000', cells: { tasks: purged.most }, bars: { '≤ 1.5': purged.most <= 1.5 } }
  ]
}
