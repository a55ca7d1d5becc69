import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

/** A stream that nobody reads until told. */
async function open (url: string): Promise<IncomingMessage> {
  const [response] = await once(get(url, { agent: false }), 'response')
  return response
}

t.test('the first frame comes at once, and is the list', async t => {
  const { app, url } = await startDashboard(t, { interval: 60_000 })
  app.addTask(untilAborted, { name: 'one' })
  const events = await watch(t, `${url}/events`)
  const frame = await events.frame()
  t.match(frame, /^retry: 1000\nevent: tasks\ndata: \{.*\}$/)
  t.strictSame(JSON.parse(frame!.slice(frame!.indexOf('data: ') + 6)), await getJson(`${url}/tasks`))
})

t.test('each change is a frame', async t => {
  const { app, url } = await startDashboard(t)
  const events = await watch(t, `${url}/events`)
  t.strictSame((await events.list()).tasks, [])

  const task = app.addTask(untilAborted, { name: 'one' })
  const frame = await events.frame()
  t.match(frame, /^event: tasks\ndata: \{.*\}$/)
  t.match(JSON.parse(frame!.slice(frame!.indexOf('data: ') + 6)).tasks, [{ name: 'one', status: 'running' }])
  task.progress = 0.5
  t.match((await events.list()).tasks, [{ progress: 0.5 }])
  await task.cancel()
  t.match(await events.list(), { tasks: [{ status: 'cancelled' }], counts: { running: 0, cancelled: 1 } })
  app.purgeTasks()
  t.strictSame((await events.list()).tasks, [])
})

t.test('changes that come faster than the interval are one frame', async t => {
  const { app, url } = await startDashboard(t, { interval: 100 })
  const events = await watch(t, `${url}/events`)
  await events.list()
  for (let i = 0; i < 500; i++) app.addTask(untilAborted)
  t.equal((await events.list()).counts.running, 500)
})

t.test('what has not changed is not sent again', async t => {
  const { app, url } = await startDashboard(t, { interval: 1 })
  const task = app.addTask(untilAborted)
  const events = await watch(t, `${url}/events`)
  const pulse = await watch(t, `${url}/events?status=failed`)
  await events.list()
  await pulse.list()
  // The counts change twenty times, as the other stream shows. This stream may skip some of the changes, but sends no frame twice.
  let last: TaskList | undefined
  for (let i = 1; i <= 20; i++) {
    app.addTask(untilAborted, { name: `${i}` })
    last = await pulse.listWith(({ counts }) => counts.running === 1 + i)
  }
  const seen = new Set<string>()
  for (;;) {
    const frame = await events.frame()
    t.notOk(seen.has(frame!))
    seen.add(frame!)
    if (frame!.includes(`"running":${last!.counts.running}`)) break
  }
  t.ok(seen.size <= 20)
  task.progress = 1
  t.equal((await events.listWith(({ tasks }) => tasks.some(({ progress }) => progress === 1))).counts.running, 21)
})

t.test('a stream shows what its query asks for', async t => {
  const { app, url } = await startDashboard(t)
  for (let i = 1; i <= 3; i++) app.addTask(untilAborted, { name: `a${i}`, kind: 'a' })
  app.addTask(untilAborted, { name: 'b', kind: 'b' })
  const { cursor } = await getJson<TaskList>(`${url}/tasks?kind=a&limit=1`)
  const names = async (query: string) => (await (await watch(t, `${url}/events?${query}`)).list()).tasks.map(({ name }) => name)
  t.strictSame(await names('kind=a'), ['a3', 'a2', 'a1'])
  t.strictSame(await names('name=a1'), ['a1'])
  t.strictSame(await names('status=failed'), [])
  t.strictSame(await names(`kind=a&limit=1&cursor=${cursor}`), ['a2'])
})

t.test('one stream too many gets a 503, until another has ended', async t => {
  const { url } = await startDashboard(t, { maxStreams: 2 })
  const one = await watch(t, `${url}/events`)
  await watch(t, `${url}/events`)
  const response = await fetch(`${url}/events`)
  t.equal(response.status, 503)
  t.match(await response.json(), {
    statusCode: 503, error: 'Service Unavailable', code: 'FST_ERR_TASK_STREAM_LIMIT', message: 'All 2 streams are taken: poll the list instead'
  })
  t.equal((await fetch(`${url}/tasks`)).status, 200)

  await one.close()
  let status
  do ({ status } = (await watch(t, `${url}/events`)).response)
  while (status === 503)
  t.equal(status, 200)
})

t.test('maxStreams 0 lets nobody watch', async t => {
  const { url } = await startDashboard(t, { maxStreams: 0 })
  t.equal((await fetch(`${url}/events`)).status, 503)
})

t.test('a HEAD request of the events opens no stream', async t => {
  const { url } = await startDashboard(t)
  t.equal((await fetch(`${url}/events`, { method: 'HEAD' })).status, 404)
})

t.test('a client that does not read gets the last frame, then the present one', async t => {
  const { app, url } = await startDashboard(t, { interval: 5 })
  const progress = 'x'.repeat(2000)
  for (let i = 0; i < 200; i++) app.addTask(untilAborted, { name: `${i}` }).progress = progress
  const slow = await open(`${url}/events?limit=200`)
  const quick = await watch(t, `${url}/events?limit=1`)
  t.teardown(() => slow.destroy())
  await quick.list()
  let frames = 1
  for (let i = 1; i <= 200; i++) { // 400 KB each: 80 MB, if they were sent
    app.addTask(untilAborted, { name: `more ${i}` })
    await quick.listWith(({ counts }) => counts.running === 200 + i)
    frames++
  }
  t.equal(frames, 201)

  let text = ''
  slow.setEncoding('utf8')
  for await (const chunk of slow) {
    text += chunk
    if (text.includes('"running":400')) break
  }
  const lists = text.split('\n\n').filter(frame => frame.includes('data: ')).length
  t.ok(lists < 40, `${lists} of ${frames} frames`)
})

t.test('a client that leaves frees its stream, and without streams nothing is read', async t => {
  let asked = 0
  const { app, url } = await startDashboard(t, { interval: 1, authorize: (request, action) => { if (action === 'view') asked++; return true } })
  app.addTask(untilAborted)
  const events = await watch(t, `${url}/events`)
  await events.list()
  await events.close()
  let before
  do {
    before = asked
    await getJson(`${url}/tasks`) // asks once
    await new Promise(resolve => setTimeout(resolve, 20))
  } while (asked > before + 1)
  t.equal(asked, before + 1)
})

t.test('the hook is called again when a stream comes back', async t => {
  let open = true
  const { url } = await startDashboard(t, {
    onRequest: async (request, reply) => { if (!open) await reply.code(401).send() }
  })
  const events = await watch(t, `${url}/events`)
  await events.list()
  open = false
  await events.close()
  t.equal((await fetch(`${url}/events`)).status, 401)
})

t.test('a client that leaves while the hook runs takes no stream', async t => {
  let asked: () => void
  const asking = new Promise<void>(resolve => { asked = resolve })
  let first = true
  const { url } = await startDashboard(t, {
    maxStreams: 1,
    onRequest: async request => {
      if (!first) return
      first = false
      asked()
      await once(request.raw.socket, 'close')
      await turn()
    }
  })
  const request = get(`${url}/events`, { agent: false })
  request.on('error', () => {})
  await asking
  request.destroy()
  let response
  do response = await fetch(`${url}/events`)
  while (response.status === 503)
  t.equal(response.status, 200)
  await response.body!.cancel()
})
