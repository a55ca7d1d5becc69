import { once } from 'node:events'
import { get } from 'node:http'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { routeEvents } from '../../lib/dashboard/events.ts'
import { Live, type LiveSettings, type Look } from '../../lib/dashboard/live.ts'
import { closeAfter } from '../core/fixtures/app.ts'
import { processEvents } from '../core/fixtures/process-events.ts'
import { watch } from './fixtures/dashboard.ts'

/** A server of nothing but a stream, with times that a test can wait for. */
async function startLive (t: Test, look: Look, settings: Partial<LiveSettings> = {}) {
  const app = Fastify()
  closeAfter(t, app)
  const live = new Live(look, { interval: 10, maxStreams: 20, lifetime: 60_000, heartbeat: 60_000, ...settings })
  routeEvents(app, live, 'test')
  return { app, url: `${await app.listen({ host: '127.0.0.1', port: 0 })}/events` }
}

const list = JSON.stringify({ tasks: [] })
const same: Look = views => views.map(async () => list)

t.test('a stream ends when its time is over, and another begins', async t => {
  const { url } = await startLive(t, same, { lifetime: 100 })
  const began = performance.now()
  const events = await watch(t, url)
  t.match(await events.frame(), /data: /)
  t.equal(await events.frame(), undefined)
  const took = performance.now() - began
  t.ok(took >= 99, `${took} ms`)
  t.match(await (await watch(t, url)).frame(), /data: /)
})

t.test('a stream ends when its time is over, however far apart snapshots are', async t => {
  const { url } = await startLive(t, same, { lifetime: 100, interval: 600_000, heartbeat: 20 })
  const events = await watch(t, url)
  let frame
  do frame = await events.frame()
  while (frame !== undefined)
  t.pass('it has ended')
})

t.test('a stream that is not read ends when its time is over', async t => {
  const { url } = await startLive(t, views => views.map(async () => 'x'.repeat(32 * 1024 * 1024)), { lifetime: 100 })
  const [response] = await once(get(url, { agent: false }), 'response')
  await new Promise(resolve => setTimeout(resolve, 300))
  await t.rejects(response.toArray(), { code: 'ECONNRESET' })
})

t.test('a stream that is silent sends a comment', async t => {
  const { url } = await startLive(t, same, { heartbeat: 30 })
  const events = await watch(t, url)
  t.match(await events.frame(), /data: /)
  t.equal(await events.frame(), ':')
  t.equal(await events.frame(), ':')
})

t.test('one reading serves all streams, and the pause after it is twenty times as long', async t => {
  const looks: { at: number, views: number }[] = []
  let lists = 0
  const { url } = await startLive(t, views => {
    looks.push({ at: performance.now(), views: views.length })
    const began = process.cpuUsage()
    while (process.cpuUsage(began).user < 5000);
    lists++
    return views.map(async () => `${lists}`)
  }, { interval: 1 })
  const readers = [await watch(t, url), await watch(t, url), await watch(t, url)]
  for (let i = 0; i < 3; i++) await Promise.all(readers.map(reader => reader.frame()))
  const rounds = looks.slice(looks.findIndex(({ views }) => views === 3))
  t.strictSame(rounds.map(({ views }) => views), rounds.map(() => 3))
  t.ok(rounds.length >= 2)
  for (const [i, { at }] of rounds.entries()) {
    if (i > 0) t.ok(at - rounds[i - 1]!.at >= 100, `${at - rounds[i - 1]!.at} ms`)
  }
})

t.test('each of a hundred streams gets every change', async t => {
  let lists = 0
  const { url } = await startLive(t, views => {
    lists++
    return views.map(async () => `${lists}`)
  }, { maxStreams: 100 })
  const readers = await Promise.all(Array.from({ length: 100 }, () => watch(t, url)))
  for (let i = 0; i < 5; i++) {
    const frames = await Promise.all(readers.map(reader => reader.frame()))
    t.ok(frames.every(frame => frame?.includes('data: ')))
  }
})

t.test('a client that leaves before its first list takes no stream', async t => {
  let answer: (list: string) => void
  let looked: Look
  const asked = new Promise<void>(resolve => {
    let first = true
    looked = views => {
      if (!first) return same(views)
      first = false
      resolve()
      return [new Promise(resolve => { answer = resolve })]
    }
  })
  const { url } = await startLive(t, views => looked(views), { maxStreams: 1 })
  const request = get(url, { agent: false })
  request.on('error', () => {})
  await asked
  request.destroy()
  let response
  do response = await fetch(url)
  while (response.status === 503)
  answer!(list)
  t.equal(response.status, 200)
  await response.body!.cancel()
})

t.test('a response that is over takes no stream', async t => {
  const app = Fastify()
  closeAfter(t, app)
  const live = new Live(same, { interval: 10, maxStreams: 1, lifetime: 60_000, heartbeat: 60_000 })
  routeEvents(app, live, 'test')
  const query = { sort: 'newest' as const, limit: 50, after: undefined }
  const watched = new Promise<void>(resolve => {
    app.get('/late', async (request, reply) => {
      request.raw.socket.destroy()
      await once(reply.raw, 'close')
      await live.watch({ request, query }, reply.raw)
      resolve()
    })
  })
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  await t.rejects(fetch(`${address}/late`))
  await watched
  t.equal((await watch(t, `${address}/events`)).response.status, 200)
})

t.test('with a hundred long streams no timer gets a negative delay', async t => {
  const warnings = processEvents(t, 'warning')
  let lists = 0
  const { url } = await startLive(t, views => {
    lists++
    return views.map(async () => `${lists}`)
  }, { maxStreams: 100, interval: 1 })
  const readers = await Promise.all(Array.from({ length: 100 }, () => watch(t, url)))
  for (let i = 0; i < 60; i++) await Promise.all(readers.map(reader => reader.frame()))
  t.strictSame(warnings, [])
})
