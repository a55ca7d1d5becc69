import { fork } from 'node:child_process'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import Fastify from 'fastify'
import reports from '../../examples/fleet/reports.ts'
import { program } from '../../examples/fleet/index.ts'
import type { ClusterTaskState } from '../../lib/cluster/index.ts'
import { onEveryServer } from '../cluster/fixtures/engines.ts'

interface Options { url?: string, seconds: number }

/** `npm run example fleet`: its address, once it serves. */
async function startFleet (t: Test, { url, seconds }: Options) {
  const { TASKS_URL, ...env } = process.env
  const child = fork(fileURLToPath(new URL('../../examples/index.ts', import.meta.url)), ['fleet'], {
    env: { ...env, PORT: '0', REPORT_SECONDS: `${seconds}`, ...url !== undefined && { TASKS_URL: url } },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  let output = ''
  const address = await new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', chunk => {
        output += chunk
        const [, found] = /Try: open (\S+) in/.exec(output) ?? []
        if (found !== undefined) resolve(found)
      })
    }
    ended.then(() => reject(new Error(output)))
  })

  async function request (method: string, path: string) {
    const response = await fetch(address + path, { method })
    return { status: response.status, body: await response.text() }
  }

  /** The states that are streamed of a report. */
  async function * states (year: number): AsyncGenerator<ClusterTaskState<{ done: number, total: number }>> {
    const [response] = await once(get(`${address}/reports/${year}/progress`), 'response') as [IncomingMessage]
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) {
      const events = (text + chunk).split('\n\n')
      text = events.pop()!
      for (const event of events) yield JSON.parse(event.slice('data: '.length))
    }
  }

  async function stop () {
    child.kill('SIGTERM')
    const [code] = await ended
    t.equal(code, 0, output)
    return output
  }

  return { child, request, states, stop }
}

onEveryServer(t, (t, { connection }) => {
  const url = connection!

  t.test('a worker process runs and cancels the tasks that a client asks the web process for', async t => {
    const fast = await startFleet(t, { url, seconds: 1 })
    const { status, body } = await fast.request('PUT', '/reports/2001')
    t.equal(status, 202)
    t.match(JSON.parse(body), { name: '2001', kind: 'report', status: /deferred|running/ })
    let last: ClusterTaskState | undefined
    for await (const state of fast.states(2001)) last = state
    t.match(last, { status: 'completed', progress: { done: 12, total: 12 } })
    t.not(last!.worker!.pid, fast.child.pid, 'the web process runs nothing')
    t.strictSame(JSON.parse((await fast.request('GET', '/reports/2001/result')).body), { year: 2001, sales: 42 })
    await fast.stop()

    const slow = await startFleet(t, { url, seconds: 600 })
    await slow.request('PUT', '/reports/2003')
    for await (const state of slow.states(2003)) {
      last = state
      if (state.status === 'running') break
    }
    t.match(last, { name: '2003', status: 'running' })
    t.equal((await slow.request('DELETE', '/reports/2003')).status, 204)
    t.match(JSON.parse((await slow.request('GET', '/reports/2003')).body), { status: 'cancelled', error: { name: 'AbortError' } })
    t.equal((await slow.request('GET', '/reports/2003/result')).status, 409)
    t.match(JSON.parse((await slow.request('GET', '/reports')).body), [{ name: '2003' }, { name: '2001' }])
    await slow.stop()
  })

  t.test('a fleet that stops hands its tasks over, and the next fleet goes on with them', async t => {
    const first = await startFleet(t, { url, seconds: 10 })
    await first.request('PUT', '/reports/2002')
    for await (const { progress } of first.states(2002)) if ((progress?.done ?? 0) >= 2) break
    await first.stop()

    const second = await startFleet(t, { url, seconds: 2 })
    let last
    for await (const state of second.states(2002)) last = state
    const output = await second.stop()

    t.match(last, { status: 'completed', attempt: 1 })
    t.match(output, /begins with month ([3-9]|1[012])/)
  })
})

t.test('without TASKS_URL one process does both', async t => {
  const { child, request, states, stop } = await startFleet(t, { seconds: 0 })
  t.equal((await request('PUT', '/reports/2004')).status, 202)
  let last
  for await (const state of states(2004)) last = state
  t.match(last, { status: 'completed', worker: { pid: child.pid } })
  t.match((await request('GET', '/')).body, 'new EventSource')
  t.equal((await request('PUT', '/reports/soon')).status, 400)
  for (const method of ['PUT', 'GET', 'DELETE']) t.equal((await request(method, '/reports/')).status, 404, `${method} without a year`)
  t.match(await stop(), 'no TASKS_URL')
})

t.test('a worker that does not start ends the program', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  process.env.TASKS_URL = 'redis://127.0.0.1:1'
  t.teardown(() => { delete process.env.TASKS_URL })
  await program(app)
  await t.rejects(async () => { await app.ready() })
})

t.test('a program of a user\'s own can use the kinds', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  process.env.REPORT_SECONDS = '0'
  await app.register(reports)
  await app.ready()
  t.match(await (await app.salesReports.addTask({ year: 2005 }, { name: randomUUID() })).finished, { year: 2005 })
})
