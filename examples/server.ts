// The example server, run by `npm start`. GET / tells what there is to try.
import { setTimeout as sleep } from 'node:timers/promises'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyInstance } from 'fastify'
import tasks, { type Task } from '../index.ts'
import feed from './websocket.ts'

const { HOST = '127.0.0.1', PORT = '3000', REPORT_SECONDS = '20' } = process.env

const app = Fastify({ logger: true })
await app.register(tasks)
await app.register(feed)

app.addTask(async (app, { signal, log }) => {
  await sleep(1000, undefined, { signal })
  log.info('Server successfully started!')
}, { name: 'start-report' })

async function buildReport (app: FastifyInstance, task: Task) {
  const steps = 20
  for (let step = 0; step < steps; step++) {
    task.progress = `${step} of ${steps} steps`
    await sleep(Number(REPORT_SECONDS) * 1000 / steps, undefined, { signal: task.signal })
  }
  task.progress = 'all done'
}

let reports = 0

app.post('/reports', async (request, reply) => {
  const task = app.addTask(buildReport, { name: `report-${++reports}` })
  return reply.code(202).header('location', `/reports/${task.name}`).send(task)
})

app.get('/reports', async () => app.tasks)

app.get<{ Params: { name: string } }>('/reports/:name', async request => app.getTask(request.params.name))

app.delete<{ Params: { name: string } }>('/reports/:name', async (request, reply) => {
  await app.cancelTask(request.params.name)
  reply.code(204)
})

app.post('/signup', async (request, reply) => {
  app.addTask(async (app, { signal, log }) => {
    await sleep(1000, undefined, { signal }) // stands in for the mail server
    log.info('welcome mail sent')
  }, { after: reply, drain: true })
  return { welcome: true }
})

app.get('/', async (request, reply) => {
  const url = `${request.protocol}://${request.host}`
  reply.type('text/plain; charset=utf-8')
  return `Background tasks to try:

curl -i -X POST ${url}/reports
    starts a report that takes ${REPORT_SECONDS} seconds
curl ${url}/reports
    lists the tasks
curl ${url}/reports/report-1
    shows one: its status and its progress
curl -i -X DELETE ${url}/reports/report-1
    cancels it
curl -X POST ${url}/signup
    answers at once, and sends the welcome mail afterwards
npx wscat -c ws://${request.host}/feed
    opens a WebSocket; what it sends is logged
curl -i -X POST ${url}/events -H 'content-type: application/json' -d '{"hello":"sockets"}'
    sends an event to every WebSocket

Ctrl-C stops the server: reports are cancelled, mails are finished.
`
})

closeWithGrace({ logger: app.log }, async ({ err }) => {
  if (err) app.log.error({ err }, 'closing after an error')
  // Requests get a second to be answered; a client that holds a connection without a request must not hold us.
  setTimeout(() => app.server.closeAllConnections(), 1000).unref()
  await app.close()
})

await app.listen({ host: HOST, port: Number(PORT) })
