import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import WebSocket from 'ws'
import type { TaskState } from '../../index.ts'
import { problemsIn, startServer } from '../core/fixtures/start-server.ts'

async function post (url: string) {
  return await fetch(url, { method: 'POST' })
}

async function state (url: string) {
  return await (await fetch(url)).json() as TaskState
}

const login = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` })

t.test('with no more in its environment than how long a report takes', async t => {
  const { url, lines, logged } = await startServer(t, { REPORT_SECONDS: '600' })

  t.test('the deferred task reports the start', async t => {
    t.match(await logged(/successfully started/), { task: 'start-report' })
  })

  t.test('GET / lists in plain text what to try', async t => {
    const response = await fetch(url)
    t.match(response.headers.get('content-type'), /^text\/plain/)
    const text = await response.text()
    for (const route of ['/reports', '/signup', '/events', '/feed', '/address']) t.match(text, route)
  })

  t.test('the server makes a password for the dashboard, and logs it', async t => {
    const { msg } = await logged(/^Dashboard at /)
    const [, address, user, password] = /^Dashboard at (\S+): user (\S+), password (\S+)$/.exec(msg)!

    t.equal(address, `${url}/tasks/`)
    t.equal((await fetch(address!)).status, 401)
    const response = await fetch(`${address}tasks`, { headers: login(user!, password!) })
    const { tasks } = await response.json() as { tasks: { name: string }[] }
    t.ok(tasks.some(({ name }) => name === 'start-report'))
  })

  t.test('the first report is accepted, watched and cancelled', async t => {
    const accepted = await post(`${url}/reports`)
    t.equal(accepted.status, 202)
    const location = accepted.headers.get('location')
    t.equal(location, '/reports/1')
    t.match(await accepted.json(), { name: 'report:1', kind: 'buildReport', status: 'running' })

    t.match(await state(url + location), { status: 'running', progress: { month: 'January', done: 0, total: 12 } })
    const early = await fetch(`${url}${location}/result`)
    t.equal(early.status, 202)
    t.match(await early.json(), { status: 'running' })
    t.equal((await fetch(url + location, { method: 'DELETE' })).status, 204)
    t.match(await state(url + location), { status: 'cancelled', error: { name: 'AbortError' } })

    t.equal((await fetch(`${url}/reports/unknown`)).status, 404)
    t.equal((await fetch(`${url}/reports/unknown`, { method: 'DELETE' })).status, 404)
  })

  t.test('a client reaches no task but the reports', async t => {
    t.equal((await fetch(`${url}/reports/start-report`)).status, 404)
    t.equal((await fetch(`${url}/reports/start-report`, { method: 'DELETE' })).status, 404)
  })

  t.test('a cancelled report has no result', async t => {
    const report = url + (await post(`${url}/reports`)).headers.get('location')
    await fetch(report, { method: 'DELETE' })

    const response = await fetch(`${report}/result`)

    t.equal(response.status, 409)
    t.match(await response.json(), { status: 'cancelled' })
  })

  t.test('a signup is answered at once, and its mail is sent afterwards with the logger of the request', async t => {
    t.match(await (await post(`${url}/signup`)).json(), { welcome: true })

    const { reqId } = await logged(/welcome mail sent/)
    t.type(reqId, 'string')
    const ofRequest = lines.filter(line => line.reqId === reqId)
    t.strictSame(ofRequest.map(({ msg }) => msg), ['incoming request', 'request completed', 'welcome mail sent'])
  })
})

t.test('with a user and a password for the dashboard in its environment', async t => {
  const { url, logged } = await startServer(t, { DASHBOARD_USER: 'ada', DASHBOARD_PASSWORD: 'secret' })

  t.test('the dashboard asks for them', async t => {
    t.notMatch((await logged(/^Dashboard at /)).msg, /secret/)

    t.equal((await fetch(`${url}/tasks/`)).status, 401)
    t.equal((await fetch(`${url}/tasks/`, { headers: login('ada', 'wrong') })).status, 401)
    t.equal((await fetch(`${url}/tasks/`, { headers: login('eve', 'secret') })).status, 401)
    const response = await fetch(`${url}/tasks/`, { headers: login('ada', 'secret') })
    t.equal(response.status, 200)
    t.match(await response.text(), '<title>Example tasks</title>')
  })

  t.test('the dashboard shows from the start failures and their causes, kinds of the fleet and a schedule', async t => {
    await logged(/^mail sent to ann/)
    const get = async (path: string) => await (await fetch(`${url}/tasks/${path}`, { headers: login('ada', 'secret') })).json()
    t.match(await get('failures?scope=all'), { total: 2, error: null })
    t.match(await get('kinds'), {
      kinds: [{ kind: 'mail', counts: { completed: 1, deferred: 1 } }, { kind: 'invoice', counts: { failed: 1 } }, { kind: 'cleanup', schedules: [{ name: 'every-minute' }] }]
    })
    t.equal((await fetch(`${url}/address`, { method: 'PUT' })).status, 200)
  })

  t.test('the list has the reports and no other task', async t => {
    await post(`${url}/reports`)
    await post(`${url}/reports`)

    const reports = await (await fetch(`${url}/reports`)).json() as TaskState[]

    t.strictSame(reports.map(({ name }) => name), ['report:1', 'report:2'])
  })
})

t.test('the result of a report is served once it has completed', async t => {
  const { url } = await startServer(t, { REPORT_SECONDS: '1' })
  await post(`${url}/reports`)

  let response
  do response = await fetch(`${url}/reports/1/result`)
  while (response.status === 202 && await response.text())

  t.equal(response.status, 200)
  t.match(await response.json(), { sales: { January: Number, December: Number } })
  t.match(await state(`${url}/reports/1`), { status: 'completed', progress: { month: 'December' } })
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends it gracefully, with tasks running, a mail to send and sockets open`, async t => {
    const { server, url, exit, lines } = await startServer(t)
    const socket = new WebSocket(`${url.replace('http', 'ws')}/feed`)
    await once(socket, 'open')
    const socketClose = once(socket, 'close')
    const idle = connect(Number(new URL(url).port), '127.0.0.1')
    await once(idle, 'connect')
    await post(`${url}/reports`)
    await post(`${url}/signup`)

    server.kill(signal)

    t.strictSame(await exit, [0, null])
    await socketClose
    idle.destroy()
    t.ok(lines.some(({ msg }) => msg === 'welcome mail sent'), 'the mail was sent')
    t.strictSame(problemsIn(lines), [])
  })
}

t.test('an uncaught error closes it too, and ends it with exit code 1', async t => {
  const { server, exit, logged } = await startServer(t, {}, '../../docs/fixtures/crashing-server.ts')

  server.send('boom')

  t.match(await logged(/closing after an error/), { err: { message: 'boom' } })
  t.strictSame(await exit, [1, null])
})
