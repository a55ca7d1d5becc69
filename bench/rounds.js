import { measure } from 'mitata'

/**
 * Nanoseconds of processor time that this process has taken: unlike the wall's, this clock stands still while others have
 * the processor, and it counts the garbage collector's threads in.
 */
function processorTime () {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/**
 * The mean nanoseconds that `bench` takes, without those of `setup`, whose result it gets. Never in mitata's batches: they
 * begin with all their setups.
 */
export async function timeOf ({ setup = () => {}, bench }, options) {
  const { avg } = await measure(function * () {
    yield { 0: setup, bench: made => bench(made) }
  }, { now: processorTime, batch_threshold: -1, ...options })
  return avg
}

/**
 * Measures every contender once a round, each round beginning with the next one, so that what else the machine does
 * meanwhile hits them all. Answers the rounds, each an object of numbers by contender.
 */
export async function measureRounds (contenders, measure, count) {
  const names = Object.keys(contenders)
  const rounds = []
  for (let i = 0; i < count; i++) {
    const round = {}
    for (let j = 0; j < names.length; j++) {
      const name = names[(i + j) % names.length]
      round[name] = await measure(contenders[name])
    }
    rounds.push(round)
  }
  return rounds
}

/** The median of a contender's ratios to another, each taken within one round. */
export function ratio (rounds, contender, reference) {
  const ratios = rounds.map(round => round[contender] / round[reference]).sort((a, b) => a - b)
  const middle = ratios.length >> 1
  return ratios.length % 2 === 1 ? ratios[middle] : (ratios[middle - 1] + ratios[middle]) / 2
}

/** The ratio of every contender to one of them. */
export function ratios (rounds, reference) {
  return Object.fromEntries(Object.keys(rounds[0]).map(name => [name, ratio(rounds, name, reference)]))
}
