import { EventEmitter, once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import retries from '../../examples/retries.ts'
import type { Task, TaskState } from '../../index.ts'
import { buildApp, untilAborted } from '../core/fixtures/app.ts'

async function order (app: FastifyInstance): Promise<{ statusCode: number, task: Task }> {
  const response = await app.inject({ method: 'POST', url: '/orders', payload: { pizzas: 3 } })
  return { statusCode: response.statusCode, task: app.getTask(response.json<TaskState>().name!) }
}

t.test('a delivery that fails is tried again until it succeeds', async t => {
  const { app, lines } = await buildApp(t)
  const orders: unknown[] = []
  await app.register(retries, {
    minTimeout: 1,
    async deliver (order) {
      orders.push(order)
      if (orders.length < 3) throw new Error('nobody is at home')
    }
  })

  const { statusCode, task } = await order(app)
  await app.tasks.idle()

  t.equal(statusCode, 202)
  t.equal(task.status, 'completed')
  t.strictSame(task.progress, { attempt: 3 })
  t.strictSame(orders, [{ pizzas: 3 }, { pizzas: 3 }, { pizzas: 3 }])
  t.match(lines.filter(line => line.level > 30), [
    { level: 40, task: task.name!, retriesLeft: 5, err: { message: 'nobody is at home' } },
    { level: 40, task: task.name!, retriesLeft: 4, err: { message: 'nobody is at home' } }
  ])
})

t.test('after five retries the task has failed with the last error', async t => {
  const { app } = await buildApp(t)
  let attempts = 0
  await app.register(retries, {
    minTimeout: 1,
    async deliver () { throw new Error(`attempt ${++attempts}`) }
  })

  const { task } = await order(app)
  await app.tasks.idle()

  t.equal(task.status, 'failed')
  t.match(task.error, { message: 'attempt 6' })
})

t.test('cancelling the task ends its wait for the next attempt', async t => {
  const { app } = await buildApp(t)
  const events = new EventEmitter()
  let attempts = 0
  await app.register(retries, {
    minTimeout: 60_000,
    async deliver () {
      attempts++
      events.emit('attempt')
      throw new Error('nobody is at home')
    }
  })

  const attempt = once(events, 'attempt')
  const { task } = await order(app)
  await attempt
  await task.cancel()

  t.equal(task.status, 'cancelled')
  t.equal(attempts, 1)
})

t.test('closing the app aborts the attempt, and that is no failure', async t => {
  const { app, lines } = await buildApp(t)
  await app.register(retries, { deliver: (order, signal) => untilAborted(app, { signal }) })

  const { task } = await order(app)
  await app.close()

  t.equal(task.status, 'cancelled')
  t.strictSame(task.progress, { attempt: 1 })
  t.strictSame(lines.filter(line => line.level > 30), [], 'no warning, no error')
})

t.test('two plugins in one app have names of their own', async t => {
  const { app } = await buildApp(t)
  const deliver = async () => {}
  await app.register(retries, { prefix: '/pizzas', deliver })
  await app.register(retries, { prefix: '/books', deliver })

  const names = []
  for (const prefix of ['pizzas', 'books']) {
    const response = await app.inject({ method: 'POST', url: `/${prefix}/orders`, payload: {} })
    names.push(response.json<TaskState>().name)
  }

  t.match(names, [/^\/pizzas\/orders\/.{36}$/, /^\/books\/orders\/.{36}$/])
})
