import { fork } from 'node:child_process'
import { once } from 'node:events'
import autocannon from 'autocannon'
import { measureRounds, ratios } from './rounds.js'

const ROUNDS = 5
const SECONDS = 2

const routes = { none: '/none', floating: '/floating', unnamed: '/unnamed', named: '/named' }

async function ask (server, question) {
  server.send(question)
  const [answer] = await once(server, 'message')
  return answer
}

/** Requests answered in a second, and in a second of the server's processor time, which other processes do not disturb. */
async function answered (server, url) {
  const before = await ask(server, 'processorTime')
  const { '2xx': count, duration, errors, non2xx } = await autocannon({ url, connections: 50, duration: SECONDS })
  const processorSeconds = (await ask(server, 'processorTime') - before) / 1e9
  if (errors + non2xx > 0) throw new Error(`${url} failed ${errors + non2xx} times`)
  return { perSecond: count / duration, perProcessorSecond: count / processorSeconds }
}

function ratiosOf (figure, rounds) {
  return ratios(rounds.map(round => Object.fromEntries(Object.entries(round).map(([route, figures]) => [route, figures[figure]]))), 'floating')
}

/** The requests that routes which add a task answer, beside one that floats a promise, as the table's rows. */
export async function requests () {
  const server = fork(new URL('server.js', import.meta.url))
  const address = await ask(server, 'address')
  const rounds = await measureRounds(routes, route => answered(server, address + route), ROUNDS)
  server.disconnect()

  const { none, floating, unnamed, named } = ratiosOf('perSecond', rounds)
  const processor = ratiosOf('perProcessorSecond', rounds)
  return [
    { what: 'requests a second, no task', cells: { promise: floating, tasks: none } },
    { what: 'requests a second, an unnamed task', cells: { promise: floating, tasks: unnamed }, bars: { '≥ 0.95': unnamed >= 0.95 } },
    { what: 'requests a second, a named task', cells: { promise: floating, tasks: named }, bars: { '≥ 0.95': named >= 0.95 } },
    { what: 'requests a second of processor time, no task', cells: { promise: processor.floating, tasks: processor.none } },
    { what: 'requests a second of processor time, an unnamed task', cells: { promise: processor.floating, tasks: processor.unnamed } },
    { what: 'requests a second of processor time, a named task', cells: { promise: processor.floating, tasks: processor.named } }
  ]
}
