import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const WATCHERS = 20
const POLLERS = 30
const SECONDS = 10

/** The percentage of a core that a server takes for some seconds. */
async function percent (server) {
  const usage = async () => {
    server.send('usage')
    const [{ user, system }] = await once(server, 'message')
    return user + system
  }
  const before = await usage()
  await sleep(SECONDS * 1000)
  return (await usage() - before) / (SECONDS * 1e6) * 100
}

/** What it costs to be watched, as the table's row: 100,000 live tasks, 1,000 changes a second, each watcher with one of five filters. */
export async function watching () {
  const server = fork(new URL('dashboard-server.js', import.meta.url))
  const [address] = await once(server, 'message')
  await sleep(1000)
  const alone = await percent(server)
  for (let i = 0; i < WATCHERS; i++) {
    const [stream] = await once(get(`${address}/tasks/events?kind=kind%20${i % 5}`, { agent: false }), 'response')
    stream.on('error', () => {}).resume()
  }
  await sleep(2000)
  const watched = await percent(server)
  server.disconnect()
  const cost = watched - alone
  return [{ what: '% of a core for 20 who watch 100,000 tasks', cells: { tasks: cost }, goals: { '≤ 5': cost <= 5 } }]
}

/** What it costs to be polled once a second by pages of different users, each of which `authorize` allows another fifth. */
export async function polling () {
  const server = fork(new URL('dashboard-server.js', import.meta.url), ['authorize'])
  const [address] = await once(server, 'message')
  await sleep(1000)
  const alone = await percent(server)
  const polling = new AbortController()
  const pages = Array.from({ length: POLLERS }, async (_, i) => {
    await sleep(i * 1000 / POLLERS)
    let etag = ''
    while (!polling.signal.aborted) {
      const response = await fetch(`${address}/tasks/tasks`, { headers: { 'x-user': i, 'if-none-match': etag } })
      await response.text()
      etag = response.headers.get('etag')
      await sleep(1000)
    }
  })
  await sleep(4000)
  const polled = await percent(server)
  polling.abort()
  await Promise.all(pages)
  server.disconnect()
  const cost = polled - alone
  return [{ what: '% of a core for 30 pages that poll 100,000 tasks, with `authorize`', cells: { tasks: cost }, goals: { '≤ 6': cost <= 6 } }]
}
