// A process that runs the tasks of the fleet, and has no server. By hand:
//   TASKS_URL=redis://127.0.0.1:6379 node -C fastify-tasks-source --import tsx examples/fleet/worker.ts
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import reports from './reports.ts'

const app = Fastify({ logger: { level: 'debug', name: 'worker' } })
await app.register(reports, { connection: process.env.TASKS_URL })
await app.ready()

// On SIGINT and SIGTERM it hands over what it runs.
const { close } = closeWithGrace({ logger: app.log }, () => app.close())
process.once('disconnect', close) // the process that has started it is gone
process.send?.('ready')
