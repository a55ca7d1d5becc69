import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import { onEveryEngine, type Engine } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  /** The routes of the docs on one app. Another app works, if there are two. */
  async function buildRoutes (t: Parameters<typeof buildApp>[0], engine: Engine, kindName: string, cancelTimeout = 20_000) {
    const journal = new Journal()
    const build = async (work: boolean) => {
      const { app } = await buildApp(t, engine, { work, cancelTimeout, drainTimeout: 0 })
      const reports = app.cluster.defineTask(`${kindName} ${process.pid}`, async (app, task: any) => {
        journal.write(`started ${task.name}`)
        if (task.data.month === 0) throw Object.assign(new Error('no such month'), { code: 'E_MONTH' })
        if (task.data.month === 13) return deaf()
        if (task.data.month === 14) return { url: 1n }
        if (task.data.month === 12) return untilAborted(app, task)
        return { url: 'secret' }
      })
      app.post<{ Params: { id: string } }>('/reports/:id', async (request, reply) => {
        return reply.code(202).send(await reports.addTask(request.body as any, { name: request.params.id }))
      })
      app.get<{ Params: { id: string } }>('/reports/:id', async request => reports.getTask(request.params.id))
      app.delete<{ Params: { id: string } }>('/reports/:id', async (request, reply) => {
        await reports.cancelTask(request.params.id)
        reply.code(204)
      })
      app.get('/reports', async () => reports.tasks())
      app.get<{ Params: { id: string } }>('/reports/:id/result', async request => (await reports.getTask(request.params.id)).finished)
      await app.ready()
      return app
    }
    const app = await build(engine.connection === undefined)
    if (engine.connection !== undefined) await build(true)
    return { app, journal }
  }

  t.test('the four routes reply as those of the core do', async t => {
    const { app, journal } = await buildRoutes(t, engine, 'four')
    const added = await app.inject({ method: 'POST', url: '/reports/5', payload: { month: 12 } })
    t.equal(added.statusCode, 202)
    t.match(added.json(), { name: '5', kind: `four ${process.pid}` })
    t.equal('data' in added.json(), false)
    await journal.until('started 5')

    const found = await app.inject('/reports/5')
    t.equal(found.statusCode, 200)
    t.match(found.json(), { name: '5', status: 'running', attempt: 1 })

    const again = await app.inject({ method: 'POST', url: '/reports/5', payload: { month: 12 } })
    t.equal(again.statusCode, 409)
    t.match(again.json(), { code: 'FST_ERR_TASK_DUPLICATE_NAME', statusCode: 409 })

    const cancelled = await app.inject({ method: 'DELETE', url: '/reports/5' })
    t.equal(cancelled.statusCode, 204)
    t.match((await app.inject('/reports/5')).json(), { status: 'cancelled', error: { name: 'AbortError' } })

    const list = await app.inject('/reports')
    t.match(list.json(), [{ name: '5', status: 'cancelled' }])
  })

  t.test('an unknown name is a 404 by itself', async t => {
    const { app } = await buildRoutes(t, engine, 'unknown')
    for (const method of ['GET', 'DELETE'] as const) {
      const reply = await app.inject({ method, url: '/reports/nobody' })
      t.equal(reply.statusCode, 404)
      t.match(reply.json(), { code: 'FST_ERR_TASK_NOT_FOUND', error: 'Not Found' })
    }
  })

  t.test('bad data is a 400 by itself', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`bad ${process.pid}`, () => {})
    app.post('/', async () => kind.addTask({ f () {} } as any))
    const reply = await app.inject({ method: 'POST', url: '/' })
    t.equal(reply.statusCode, 400)
    t.equal(reply.json().code, 'FST_ERR_TASK_INVALID_DATA')
  })

  t.test('a task that does not stop is a 504 by itself', async t => {
    const { app, journal } = await buildRoutes(t, engine, 'deaf', 200)
    await app.inject({ method: 'POST', url: '/reports/deaf', payload: { month: 13 } })
    await journal.until('started deaf')
    const reply = await app.inject({ method: 'DELETE', url: '/reports/deaf' })
    t.equal(reply.statusCode, 504)
    t.equal(reply.json().code, 'FST_ERR_TASK_CANCEL_TIMEOUT')
    t.match((await app.inject('/reports/deaf')).json(), { status: 'cancelling' })
  })

  t.test('a route may wait for the result, and replies with the error of a task that failed', async t => {
    const { app } = await buildRoutes(t, engine, 'result')
    await app.inject({ method: 'POST', url: '/reports/good', payload: { month: 5 } })
    t.strictSame((await app.inject('/reports/good/result')).json(), { url: 'secret' })
    await app.inject({ method: 'POST', url: '/reports/bad', payload: { month: 0 } })
    const reply = await app.inject('/reports/bad/result')
    t.equal(reply.statusCode, 500)
    t.match(reply.json(), { message: 'no such month' })
    await app.inject({ method: 'POST', url: '/reports/big', payload: { month: 14 } })
    const unstorable = await app.inject('/reports/big/result')
    t.equal(unstorable.statusCode, 500, 'no client is to blame for a result that is no JSON')
    t.match(unstorable.json(), { code: 'FST_ERR_TASK_INVALID_DATA', message: /^The result of task "big" cannot be stored as JSON: .*BigInt/ })
    t.match((await app.inject('/reports/bad')).json(), { status: 'failed', error: { name: 'Error', message: 'no such month', code: 'E_MONTH' } })
  })
})
