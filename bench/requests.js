import { fork } from 'node:child_process'
import { once } from 'node:events'
import autocannon from 'autocannon'
import { measureRounds, ratios } from './rounds.js'

// A quarter of a minute for each route, in turns so short that other work of the machine slows all of them alike.
const ROUNDS = 60
const SECONDS = 0.25

const routes = {
  none: '/none',
  floating: '/floating',
  tracked: '/tracked',
  unnamed: '/unnamed',
  kept: '/kept',
  named: '/named'
}

async function requestsPerSecond (url) {
  const load = { url, connections: 50, duration: SECONDS, sampleInt: SECONDS * 1000 / 5 }
  const { '2xx': answered, errors, non2xx, start, finish } = await autocannon(load)
  if (errors + non2xx > 0) throw new Error(`${url} failed ${errors + non2xx} times`)
  return answered / (finish - start) * 1000
}

/** The requests a second of routes that add a task, beside one that floats a promise, as the table's rows. */
export async function requests () {
  const server = fork(new URL('server.js', import.meta.url))
  const [address] = await once(server, 'message')
  const rounds = await measureRounds(routes, route => requestsPerSecond(address + route), ROUNDS)
  server.disconnect()
  const { none, floating, tracked, unnamed, kept, named } = ratios(rounds, 'floating')
  return [
    { what: 'requests a second, no task', cells: { promise: floating, tasks: none } },
    { what: 'requests a second, an unnamed task', cells: { promise: floating, byHand: tracked, tasks: unnamed }, goals: { '≥ 0.95': unnamed >= 0.95 } },
    { what: 'requests a second, a named task', cells: { promise: floating, byHand: kept, tasks: named }, goals: { '≥ 0.97 × by hand': named >= 0.97 * kept } }
  ]
}
