import { readyApp } from './contenders.js'
import { measureRounds, ratios, timeOf } from './rounds.js'

const ROUNDS = 5
const YIELDS = 10_000

async function * asynchronous () {
  for (let done = 0; done < YIELDS; done++) yield done
}

function * computing () {
  for (let done = 0; done < YIELDS; done++) yield done
}

/** What one would write by hand: a loop that keeps the last value. */
async function loop (work) {
  let progress
  for await (progress of work());
  return progress
}

const time = bench => timeOf({ bench }, { min_samples: 3, min_cpu_time: 250e6 })

/** What a `yield` costs beside one in a bare loop, as the table's rows. */
export async function generators () {
  const app = await readyApp()
  const rounds = await measureRounds({
    byHand: () => loop(asynchronous),
    tasks: () => app.addTask(asynchronous).finished,
    computing: () => app.addTask(computing).finished
  }, time, ROUNDS)
  await app.close()
  const { byHand, tasks, computing: computed } = ratios(rounds, 'byHand')
  return [
    { what: 'a `yield`, beside a bare `for await`', cells: { byHand, tasks } },
    { what: 'a `yield` of work that computes, beside the same', cells: { byHand, tasks: computed } }
  ]
}
