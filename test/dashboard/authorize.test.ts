import t, { type Test } from 'tap'
import type { DashboardAuthorize, FastifyTasksDashboardOptions } from '../../lib/dashboard/index.ts'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

const as = (user: string, init: RequestInit = {}) => ({ ...init, headers: { 'x-user': user } })

/** Ann sees and does everything. Others see what is theirs and what belongs to all, may cancel what is theirs and purge what has failed of it. */
const authorize: DashboardAuthorize = (request, action, task) => {
  const user = request.headers['x-user']
  if (user === 'ann') return true
  const { owner } = task.data as { owner: string }
  if (action === 'view') return owner === user || owner === 'all'
  return owner === user && (action === 'cancel' || task.status === 'failed')
}

async function start (t: Test, options: Partial<FastifyTasksDashboardOptions> = {}) {
  const started = await startDashboard(t, { authorize, ...options })
  const { app } = started
  for (const owner of ['ann', 'bob', 'all']) {
    app.addTask(untilAborted, { name: `${owner} runs`, kind: owner, data: { owner } })
    await app.addTask(async () => {}, { name: `${owner} did`, data: { owner } }).finished
    await app.addTask(async () => { throw new Error('no') }, { name: `${owner} failed`, data: { owner } }).finished.catch(() => {})
  }
  const { tasks } = await getJson<TaskList>(`${started.url}/tasks`, as('ann'))
  const ids = new Map(tasks.map(({ name, id }) => [name, id]))
  return { ...started, url: (name: string) => `${started.url}/tasks/${ids.get(name)}`, base: started.url }
}

const none = { deferred: 0, running: 0, cancelling: 0, completed: 0, failed: 0, cancelled: 0 }

t.test('what may not be viewed is not listed', async t => {
  const { base } = await start(t)
  const list = await getJson<TaskList>(`${base}/tasks`, as('bob'))
  t.strictSame(list.tasks.map(({ name }) => name), ['all failed', 'all did', 'all runs', 'bob failed', 'bob did', 'bob runs'])
})

t.test('what may not be viewed is not counted', async t => {
  const { base } = await start(t)
  const counts = { ...none, running: 2, completed: 2, failed: 2 }
  const list = await getJson<TaskList>(`${base}/tasks`, as('bob'))
  t.strictSame(list.counts, counts)
  t.strictSame(list.kinds.map(({ kind }) => kind).sort(), ['all', 'bob'])
  t.strictSame((await getJson(`${base}/health`, as('bob'))).counts, counts)
  t.strictSame((await getJson(`${base}/health`, as('eve'))).counts, { ...none, running: 1, completed: 1, failed: 1 })
})

t.test('what may not be viewed is not found', async t => {
  const { app, url } = await start(t)
  for (const method of ['GET', 'DELETE']) {
    const id = url('ann runs').split('/').at(-1)
    t.match(await getJson(url('ann runs'), as('bob', { method })), { statusCode: 404, code: 'FST_ERR_TASK_NOT_FOUND', message: `There is no task "${id}"` })
  }
  t.equal(app.getTask('ann runs').status, 'running')
  t.equal((await fetch(url('bob runs'), as('bob'))).status, 200)
})

t.test('a caller who may view a task may still not cancel it', async t => {
  const { app, url } = await start(t)
  t.match(await getJson(url('all runs'), as('bob', { method: 'DELETE' })), {
    statusCode: 403, error: 'Forbidden', code: 'FST_ERR_TASK_FORBIDDEN', message: 'You may not cancel this'
  })
  t.equal(app.getTask('all runs').status, 'running')
  t.equal((await fetch(url('bob runs'), as('bob', { method: 'DELETE' }))).status, 202)
})

t.test('a purge drops only tasks that may be viewed and purged', async t => {
  const { app, base } = await start(t)
  t.strictSame(await getJson(`${base}/tasks?status=settled`, as('bob', { method: 'DELETE' })), { purged: 1 })
  t.equal(app.getTask('bob failed', { optional: true }), undefined)
  t.equal(app.tasks.size, 8)
})

t.test('a purge is forbidden if none of the tasks may be purged', async t => {
  const { app, base } = await start(t)
  t.match(await getJson(`${base}/tasks?status=settled`, as('eve', { method: 'DELETE' })), {
    statusCode: 403, code: 'FST_ERR_TASK_FORBIDDEN', message: 'You may not purge this'
  })
  t.equal(app.tasks.size, 9)
})

t.test('each stream has only the tasks that its user may view', async t => {
  const { app, base } = await start(t)
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => watch(t, `${base}/events`, as(user))))
  t.equal((await ann!.list()).tasks.length, 9)
  t.equal((await bob!.list()).tasks.length, 6)

  app.addTask(untilAborted, { name: 'ann, too', data: { owner: 'ann' } })
  t.equal((await ann!.list()).tasks[0]!.name, 'ann, too')
  app.addTask(untilAborted, { name: 'bob, too', data: { owner: 'bob' } })
  const list = await bob!.list()
  t.equal(list.tasks[0]!.name, 'bob, too')
  t.notOk(JSON.stringify(list).includes('ann'))
})

t.test('an answer may come late', async t => {
  const { base, url } = await start(t, {
    authorize: async (request, action, task) => await authorize(request, action, task)
  })
  t.equal((await getJson<TaskList>(`${base}/tasks`, as('bob'))).tasks.length, 6)
  t.equal((await fetch(url('ann runs'), as('bob'))).status, 404)
  const events = await watch(t, `${base}/events`, as('bob'))
  t.equal((await events.list()).tasks.length, 6)
})

t.test('anything but true is a no', async t => {
  for (const answer of [undefined, 1, 'yes', {}, Promise.resolve('yes')]) {
    const { app, url } = await startDashboard(t, { authorize: () => answer as boolean })
    app.addTask(untilAborted)
    t.strictSame((await getJson<TaskList>(`${url}/tasks`)).tasks, [])
  }
})

for (const what of ['throws', 'rejects']) {
  t.test(`an authorize that ${what} is an error of the reply, and shows nothing`, async t => {
    const { app, url } = await startDashboard(t, {
      authorize: () => {
        const error = Object.assign(new Error('who are you?'), { statusCode: 418 })
        if (what === 'throws') throw error
        return Promise.reject(error)
      }
    })
    app.addTask(untilAborted)
    for (const path of ['tasks', 'events', 'health']) {
      t.match(await getJson(`${url}/${path}`), { statusCode: 418, message: 'who are you?' })
    }
  })
}

t.test('an authorize that throws later ends that stream and no other', async t => {
  let lost = false
  const { app, lines, url } = await startDashboard(t, {
    authorize: request => {
      if (lost && request.headers['x-user'] === 'bob') throw new Error('no answer')
      return true
    }
  })
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => watch(t, `${url}/events`, as(user))))
  await ann!.list()
  await bob!.list()
  lost = true
  app.addTask(untilAborted, { name: 'news' })
  // The stream is cut off. Some versions of fetch reject then, others end the stream.
  const end = await bob!.frame().catch((error: Error) => error.message)
  t.match(end ?? 'terminated', 'terminated')
  t.equal((await ann!.list()).tasks[0]!.name, 'news')
  t.ok(lines.some(({ err }) => err?.message === 'no answer'))
})

t.test('an answer that never comes delays one stream and no other', async t => {
  let slow = false
  const { app, url } = await startDashboard(t, {
    authorize: request => slow && request.headers['x-user'] === 'bob' ? new Promise(() => {}) : true
  })
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => watch(t, `${url}/events`, as(user))))
  await ann!.list()
  await bob!.list()
  slow = true
  app.addTask(untilAborted, { name: 'one' })
  await ann!.list()
  await bob!.close()
  app.addTask(untilAborted, { name: 'two' })
  t.equal((await ann!.list()).tasks[0]!.name, 'two')
})

t.test('many answers do not block the event loop', async t => {
  const { app, url } = await startDashboard(t, {
    authorize: () => {
      const until = performance.now() + 0.2
      while (performance.now() < until);
      return true
    }
  })
  for (let i = 0; i < 1000; i++) app.addTask(untilAborted)
  let turns = 0
  const turning = setInterval(() => turns++)
  const { counts } = await getJson<TaskList>(`${url}/tasks`)
  clearInterval(turning)
  t.equal(counts.running, 1000)
  t.ok(turns > 10, `${turns} turns`)
})
