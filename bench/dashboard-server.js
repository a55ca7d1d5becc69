import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import tasks from 'fastify-tasks'
import dashboard from 'fastify-tasks/dashboard'

const COUNT = 100_000
const CHANGES_A_SECOND = 1000

const app = Fastify({ logger: { level: 'error' } })
await app.register(tasks)
const authorize = (request, action, { kind }) => kind !== `kind ${request.headers['x-user'] % 5}`
await app.register(dashboard, { prefix: '/tasks', onRequest: false, ...process.argv[2] === 'authorize' && { authorize } })
const address = await app.listen({ host: '127.0.0.1', port: 0 })

const never = new Promise(() => {})
const live = Array.from({ length: COUNT }, (_, i) => app.addTask(() => never, { name: `task ${i}`, kind: `kind ${i % 5}` }))

async function change () {
  let changes = 0
  const began = performance.now()
  for (;;) {
    const due = (performance.now() - began) * CHANGES_A_SECOND / 1000
    for (; changes < due; changes++) live[COUNT - 1 - changes % 1000].progress = { done: changes, total: 1e9 }
    await sleep(10)
  }
}

change()
process.on('message', () => process.send(process.cpuUsage()))
process.once('disconnect', () => process.exit())
process.send(address)
