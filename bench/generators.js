import { readyApp } from './contenders.js'
import { measureRounds, ratios, timeOf } from './rounds.js'

const ROUNDS = 5
const YIELDS = 10_000
// So many that most wait for a turn of the event loop, which is most of their cost.
const FEW = 10_000
const MANY = 40_000

async function * asynchronous () {
  for (let done = 0; done < YIELDS; done++) yield done
}

function * computing () {
  for (let done = 0; done < YIELDS; done++) yield done
}

function * short () {
  yield 1
  return 2
}

/** What one would write by hand: a loop that keeps the last value. */
async function loop (work) {
  let progress
  for await (progress of work());
  return progress
}

const time = bench => timeOf({ bench }, { min_samples: 3, min_cpu_time: 250e6 })

/** The time of each of so many short tasks that are added at once. */
async function timeOfEach (app, count) {
  const total = await time(async () => {
    for (let i = 0; i < count; i++) app.addTask(short)
    await app.tasks.idle()
  })
  return total / count
}

/** What a `yield` costs beside one in a bare loop, and a short task among many beside one among few, as the table's rows. */
export async function generators () {
  const app = await readyApp()
  const yields = await measureRounds({
    byHand: () => loop(asynchronous),
    tasks: () => app.addTask(asynchronous).finished,
    computing: () => app.addTask(computing).finished
  }, time, ROUNDS)
  const shorts = await measureRounds({ few: FEW, many: MANY }, count => timeOfEach(app, count), ROUNDS)
  await app.close()
  const { byHand, tasks, computing: computed } = ratios(yields, 'byHand')
  const { few, many } = ratios(shorts, 'few')
  return [
    { what: 'a `yield`, beside a bare `for await`', cells: { byHand, tasks } },
    { what: 'a `yield` of work that computes, beside the same', cells: { byHand, tasks: computed } },
    { what: 'a short computing task, 10,000 added at once', cells: { tasks: few } },
    { what: 'a short computing task, 40,000 added at once', cells: { tasks: many }, goals: { '≤ 3': many <= 3 } }
  ]
}
