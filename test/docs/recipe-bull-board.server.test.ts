import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import board, { program } from '../../examples/bull-board.ts'
import { onEveryServer } from '../cluster/fixtures/engines.ts'
import { buildApp } from '../cluster/fixtures/fleet.ts'

onEveryServer(t, (t, engine) => {
  const connection = engine.connection!

  t.test('the board shows the tasks of a kind, and changes none', async t => {
    const prefix = `board_${process.pid}`
    const { app } = await buildApp(t, engine, { prefix })
    const reports = app.cluster.defineTask('report', async () => ({ sales: 42 }))
    await app.register(board, { prefix: '/board', connection, tasksPrefix: prefix })
    await app.ready()
    const task = await reports.addTask({ year: 2026 }, { name: '2026' })
    await task.finished

    const response = await app.inject('/board/api/queues?activeQueue=report&status=completed&page=1')
    t.equal(response.statusCode, 200, response.body.slice(0, 500))
    const { queues: [queue] } = response.json()

    t.match(queue, {
      name: 'report',
      readOnlyMode: true,
      counts: { completed: 1 },
      jobs: [{ name: '2026', data: { year: 2026 }, returnValue: { sales: 42 } }]
    })
    t.equal((await app.inject({ method: 'PUT', url: `/board/api/queues/report/${encodeURIComponent(queue.jobs[0].id)}/clean` })).statusCode, 405)
    t.match((await app.inject('/board')).headers['content-type'], /html/)
  })

  t.test('the program starts, takes a task and closes', async t => {
    process.env.TASKS_URL = connection
    t.teardown(() => { delete process.env.TASKS_URL })
    const app = Fastify()
    t.teardown(() => app.close())
    await program(app)
    await app.ready()
    t.equal((await app.inject({ method: 'POST', url: '/orders' })).statusCode, 202)
    while ((await app.cluster.getKind('order').count()).completed === 0) await sleep(20)
  })
})
