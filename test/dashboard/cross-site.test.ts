import { once } from 'node:events'
import { request } from 'node:http'
import t, { type Test } from 'tap'
import type { FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'

/** The reply to a request with these headers that cancels a task, and whether the task was cancelled. */
async function cancelWith (t: Test, headers: (url: URL) => Record<string, string>, options: Partial<FastifyTasksDashboardOptions> = {}) {
  const { app, url } = await startDashboard(t, options)
  const task = app.addTask(untilAborted, { name: 'wait' })
  const { tasks: [{ id }] } = await getJson(`${url}/tasks`)
  // Not fetch, which sends a Sec-Fetch-Mode of its own, and no Host or Origin of ours.
  const sent = request(`${url}/tasks/${id}`, { method: 'DELETE', headers: headers(new URL(url)) }).end()
  const [response] = await once(sent, 'response')
  const body = JSON.parse(Buffer.concat(await response.toArray()).toString())
  return { status: response.statusCode, code: body.code, cancelled: task.status !== 'running' }
}

const passed = { status: 202, code: undefined, cancelled: true }
const refused = { status: 403, code: 'FST_ERR_TASK_CROSS_SITE', cancelled: false }

const origins = ['https://ops.example.com']

const cases: [string, (url: URL) => Record<string, string>, object][] = [
  ['no browser', () => ({}), passed],
  ['the page itself', () => ({ 'sec-fetch-site': 'same-origin' }), passed],
  ['the page itself, behind a proxy that rewrites Host', () => ({ 'sec-fetch-site': 'same-origin', origin: 'https://ops.example.org' }), passed],
  ['the address bar', () => ({ 'sec-fetch-site': 'none' }), passed],
  ['a sister site', () => ({ 'sec-fetch-site': 'same-site' }), refused],
  ['another site', () => ({ 'sec-fetch-site': 'cross-site' }), refused],
  ['another site that calls itself us', ({ origin }) => ({ 'sec-fetch-site': 'cross-site', origin }), refused],
  ['a header that no browser sends', () => ({ 'sec-fetch-site': 'trust-me' }), refused],
  ['an empty header', () => ({ 'sec-fetch-site': '' }), refused],
  ['an old browser on the page', ({ origin }) => ({ origin }), passed],
  ['an old browser behind a proxy that ends TLS', ({ host }) => ({ origin: `https://${host}` }), passed],
  ['an old browser where the proxy names the default port', () => ({ origin: 'https://ops.example.net', host: 'ops.example.net:443' }), passed],
  ['an old browser on another site', () => ({ origin: 'https://evil.example' }), refused],
  ['an old browser on another port', ({ hostname }) => ({ origin: `http://${hostname}:1` }), refused],
  ['an old browser in a sandbox', () => ({ origin: 'null' }), refused],
  ['an origin that is none', () => ({ origin: 'evil' }), refused],
  ['an origin without a host', () => ({ origin: 'file:///' }), refused],
  ['a host that is none', () => ({ origin: 'http://a', host: 'a b' }), { status: 403 }],
  ['an origin that is trusted', () => ({ origin: origins[0]! }), passed],
  ['an origin that only begins like a trusted one', () => ({ origin: `${origins[0]}.evil.example` }), refused]
]

for (const [what, headers, expected] of cases) {
  t.test(`a change from ${what}`, async t => {
    t.match(await cancelWith(t, headers, { origins, onRequest: async () => {} }), expected)
  })
}

t.test('an origin is not trusted unless an option says so', async t => {
  t.match(await cancelWith(t, () => ({ origin: origins[0]! })), refused)
})

t.test('every route that changes anything refuses other sites', async t => {
  const { app, url } = await startDashboard(t)
  await app.addTask(async () => {}, { name: 'done' }).finished
  const changes = [['DELETE', '/tasks/a-1'], ['DELETE', '/tasks?status=settled'], ['DELETE', '/kinds/task?kind=a&name=b'],
    ['DELETE', '/kinds/tasks?kind=a&status=settled'], ['PUT', '/kinds/pause?kind=a'], ['DELETE', '/kinds/pause?kind=a']]
  for (const [method, path] of changes) {
    const reply = await getJson(url + path!, { method: method!, headers: { 'sec-fetch-site': 'cross-site' } })
    t.match(reply, { statusCode: 403, error: 'Forbidden', message: 'The request comes from another site' }, `${method} ${path}`)
  }
  t.equal(app.tasks.size, 1)
})

t.test('the page is shown to a client that follows a link from another site', async t => {
  const { url } = await startDashboard(t)
  for (const method of ['GET', 'HEAD']) {
    t.equal((await fetch(`${url}/`, { method, headers: { 'sec-fetch-site': 'cross-site' } })).status, 200)
  }
})
