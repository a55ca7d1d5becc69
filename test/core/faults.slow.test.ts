import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { createInterface } from 'node:readline'
import t from 'tap'
import WebSocket from 'ws'
import type { LogLine } from './fixtures/app.ts'
import { problemsIn, startServer } from './fixtures/start-server.ts'
import { withResolvers } from './fixtures/with-resolvers.ts'

t.test('SIGTERM under load: every accepted task is finished or cancelled, and the process ends by itself', async t => {
  const { server, url, exit, lines, logged } = await startServer(t)
  const sockets = Array.from({ length: 20 }, () => new WebSocket(`${url.replace('http', 'ws')}/feed`))
  await Promise.all(sockets.map(socket => once(socket, 'open')))

  const loaded = withResolvers()
  let welcomed = 0
  async function load () {
    try {
      for (;;) {
        await fetch(`${url}/reports`, { method: 'POST' })
        const signup = await fetch(`${url}/signup`, { method: 'POST' })
        if (signup.ok) welcomed++
        if (welcomed > 10) loaded.resolve()
        await signup.text()
      }
    } catch {} // the server has gone
  }
  const clients = Promise.all(Array.from({ length: 10 }, load))
  await logged(/welcome mail sent/)
  await loaded.promise
  server.kill('SIGTERM')

  t.strictSame(await exit, [0, null])
  await clients
  const mails = lines.filter(({ msg }) => msg === 'welcome mail sent').length
  t.ok(mails >= welcomed, `all of ${welcomed} mails were sent`)
  t.strictSame(problemsIn(lines), [])
})

t.test('when a plugin fails to load, deferred tasks never run and close ends the others', async t => {
  const app = fork(new URL('./fixtures/failing-plugin.ts', import.meta.url), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const exit = once(app, 'close')
  const lines: LogLine[] = []
  createInterface(app.stdout!).on('line', line => { lines.push(JSON.parse(line)) })

  t.strictSame(await exit, [1, null])
  t.match(lines, [
    { msg: 'not started', err: { message: 'no database' } },
    { msg: 'closed', deferred: { status: 'cancelled' }, running: { status: 'cancelled' } }
  ])
})

t.test('tasks of a cluster worker that dies end with it, and its successor starts its own', async t => {
  const primary = fork(new URL('./fixtures/cluster-of-servers.ts', import.meta.url), { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
  t.teardown(() => primary.kill('SIGKILL'))
  const exit = once(primary, 'exit')
  const seen: Record<number, unknown[]> = { 1: [], 2: [], 3: [] }

  for await (const [{ worker, message, code }] of on(primary, 'message', { close: ['exit'] })) {
    seen[worker]!.push(code ?? message)
    if (worker === 1 && message === 'listening') primary.send({ worker: 1, message: 'crash' })
    if (worker !== 1 && message === 'listening' && seen[2]!.length + seen[3]!.length === 4) {
      for (const worker of [2, 3]) primary.send({ worker, message: 'close' })
    }
    if (seen[2]!.length === 4 && seen[3]!.length === 4) primary.disconnect()
  }

  t.strictSame(await exit, [0, null])
  t.strictSame(seen, {
    1: ['deferred task', 'listening', 1],
    2: ['deferred task', 'listening', 'cancelled', 0],
    3: ['deferred task', 'listening', 'cancelled', 0]
  })
})
