import { once } from 'node:events'
import { get } from 'node:https'
import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { registryOf } from '../../lib/core/task-registry.ts'
import { Polls } from '../../lib/dashboard/polls.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard } from './fixtures/dashboard.ts'
import { clients } from './fixtures/certificates.ts'

const as = (user: string) => ({ headers: { 'x-user': user } })

/** A dashboard of some tasks, each of which belongs to Ann or Bob. Asking about all of them takes so long that the answers are kept for seconds. */
async function start (t: Test, tasks: number) {
  const asked = new Map<unknown, number>()
  const started = await startDashboard(t, {
    authorize: (request, action, { name }) => {
      const user = request.headers['x-user']
      asked.set(user, (asked.get(user) ?? 0) + 1)
      const until = performance.now() + 300 / tasks
      while (performance.now() < until);
      return name!.startsWith(`${user}`)
    }
  })
  for (let i = 0; i < tasks; i++) started.app.addTask(untilAborted, { name: `${i % 2 === 0 ? 'ann' : 'bob'} ${i}` })
  return { ...started, asked }
}

for (const path of ['tasks?limit=5', 'failures', 'health']) {
  t.test(`polling ${path} does not ask authorize about each of many tasks each time`, async t => {
    const { url, asked } = await start(t, 2000)
    const first = await (await fetch(`${url}/${path}`, as('ann'))).json() as object
    const times = asked.get('ann')
    t.ok(times! >= 2000)
    const second = await (await fetch(`${url}/${path}`, as('ann'))).json() as object
    t.equal(asked.get('ann'), times)
    t.strictSame(Object.keys(second), Object.keys(first))
  })
}

t.test('each client gets what it may view', async t => {
  const { url } = await start(t, 2000)
  for (let i = 0; i < 2; i++) {
    for (const user of ['ann', 'bob']) {
      const { tasks, total } = await getJson(`${url}/tasks?limit=5`, as(user))
      t.equal(total, 1000)
      t.ok(tasks.every(({ name }: { name: string }) => name.startsWith(user)))
    }
    t.match(await getJson(`${url}/tasks`, as('eve')), { tasks: [], total: 0 })
  }
})

t.test('two equal requests at the same time share one answer', async t => {
  const { url, asked } = await start(t, 2000)
  const [one, other] = await Promise.all([1, 2].map(() => getJson(`${url}/tasks?limit=5`, as('ann'))))
  t.strictSame(one, other)
  t.equal(asked.get('ann'), 2005, 'may view 2,000, may cancel 5')
})

t.test('a change through the dashboard is shown at once', async t => {
  const { url } = await start(t, 2000)
  const { tasks: [task] } = await getJson(`${url}/tasks?limit=1`, as('ann'))
  await fetch(`${url}/tasks/${task.id}`, { method: 'DELETE', ...as('ann') })
  t.match(await getJson(`${url}/tasks?limit=1`, as('ann')), { counts: { running: 999 } })
})

t.test('few tasks are read anew for each request', async t => {
  const { app, url } = await start(t, 100)
  t.match(await getJson(`${url}/tasks`, as('ann')), { total: 50 })
  app.addTask(untilAborted, { name: 'ann, too' })
  t.match(await getJson(`${url}/tasks`, as('ann')), { total: 51 })
})

t.test('an error that authorize throws is sent and not kept', async t => {
  let isDown = true
  const { app, url } = await startDashboard(t, {
    authorize: () => {
      if (isDown) throw Object.assign(new Error('who are you?'), { statusCode: 418 })
      return true
    }
  })
  for (let i = 0; i < 1001; i++) app.addTask(untilAborted)
  t.match(await getJson(`${url}/tasks`), { statusCode: 418 })
  isDown = false
  t.match(await getJson(`${url}/tasks`), { total: 1001 })
})

t.test('the time that it takes to read all tasks counts for how long an answer is kept', async t => {
  let asked = 0
  const { app, url } = await startDashboard(t, { authorize: () => ++asked > 0 })
  for (let i = 0; i < 1001; i++) app.addTask(untilAborted)
  const registry = registryOf(app.tasks)
  const tasks = registry.walk()
  registry.walk = () => {
    const until = performance.now() + 500
    while (performance.now() < until);
    return tasks
  }
  await getJson(`${url}/tasks`)
  const before = asked
  for (const until = performance.now() + 500; performance.now() < until;) await getJson(`${url}/tasks`)
  t.equal(asked, before)
})

/** A server that tells how often it has made an answer for each client. */
async function countAnswers (t: Test, options: object = {}, polls = new Polls()) {
  const app = Fastify(options)
  t.teardown(() => app.close())
  let made = 0
  app.get('/', async request => ({ answer: await polls.get(request, async () => ({ answer: ++made, took: 1000 })) }))
  return app
}

t.test('the answers of the last 200 clients are kept', async t => {
  const app = await countAnswers(t)
  const ask = async (user: number) => (await app.inject({ url: '/', headers: { 'x-user': `${user}` } })).json().answer
  for (let user = 1; user <= 201; user++) t.equal(await ask(user), user)
  t.equal(await ask(2), 2)
  t.equal(await ask(1), 202)
})

t.test('an answer is kept for a limited time, however long it took', async t => {
  const app = await countAnswers(t, {}, new Polls(50))
  const began = performance.now()
  let answer
  do ({ answer } = (await app.inject('/')).json())
  while (answer < 3)
  const took = performance.now() - began
  t.ok(took >= 90, `${took} ms for two answers that are kept for 50 ms, and not 20 s each`)
})

t.test('a header that differs in each request does not make another client', async t => {
  const app = await countAnswers(t)
  for (const id of ['1', '2']) t.strictSame((await app.inject({ url: '/', headers: { 'x-request-id': id } })).json(), { answer: 1 })
  t.strictSame((await app.inject({ url: '/', headers: { cookie: 'session=2' } })).json(), { answer: 2 })
})

t.test('clients with different certificates have different answers', async t => {
  const app = await countAnswers(t, { https: { ...clients.ann, requestCert: true, rejectUnauthorized: false } })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = async (client: object) => {
    const [response] = await once(get({ host: '127.0.0.1', port, agent: false, rejectUnauthorized: false, ...client }), 'response')
    return JSON.parse((await response.toArray()).join(''))
  }
  t.strictSame(await ask(clients.ann), { answer: 1 })
  t.strictSame(await ask(clients.bob), { answer: 2 })
  t.strictSame(await ask(clients.ann), { answer: 1 })
})
