// The example server, run by `npm start`. GET / tells what there is to try.
import { setTimeout as sleep } from 'node:timers/promises'
import websocket from '@fastify/websocket'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'
import feed, { websocketOptions } from './websocket.ts'

const { HOST = '127.0.0.1', PORT = '3000', REPORT_SECONDS = '20' } = process.env

const app = Fastify({ logger: true })
await app.register(tasks, { maxSettledAge: 60 * 60 * 1000 }) // states and results are kept for an hour
await app.register(websocket, { options: websocketOptions })
await app.register(feed)

app.addTask(async (app, { signal, log }) => {
  await sleep(1000, undefined, { signal })
  log.info('Server successfully started!')
}, { name: 'start-report' })

const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

/** What it yields is the progress of its task, what it returns the result. A cancellation ends it at a `yield` or an `await`. */
async function * buildReport (app: FastifyInstance, { signal }: Task) {
  const sales: Record<string, number> = {}
  for (const month of months) {
    yield { month, done: Object.keys(sales).length, total: months.length }
    await sleep(Number(REPORT_SECONDS) * 1000 / months.length, undefined, { signal }) // stands in for the database
    sales[month] = Math.round(Math.random() * 1000)
  }
  return { sales }
}

interface Report { Params: { id: string } }

// What clients give is only a part of the name: they reach the tasks with this prefix, and no others.
const nameOf = (id: string | number) => `report:${id}`
let reports = 0

app.post('/reports', async (request, reply) => {
  const id = ++reports
  const task = app.addTask(buildReport, { name: nameOf(id) })
  return reply.code(202).header('location', `/reports/${id}`).send(task)
})

app.get('/reports', async () => [...app.tasks].filter(task => task.kind === 'buildReport'))

app.get<Report>('/reports/:id', async request => app.getTask(nameOf(request.params.id)))

app.get<Report>('/reports/:id/result', async (request, reply) => {
  const task = app.getTask(nameOf(request.params.id))
  if (task.status === 'completed') return task.result
  return reply.code(task.settled ? 409 : 202).send(task) // there is no result, or not yet
})

app.delete<Report>('/reports/:id', async (request, reply) => {
  await app.cancelTask(nameOf(request.params.id))
  reply.code(204)
})

app.post('/signup', async (request, reply) => {
  app.addTask(async (app, { signal, log }) => {
    await sleep(1000, undefined, { signal }) // stands in for the mail server
    log.info('welcome mail sent')
  }, { kind: 'welcome-mail', after: reply, drain: true })
  return { welcome: true }
})

app.get('/', async (request, reply) => {
  const url = `${request.protocol}://${request.host}`
  reply.type('text/plain; charset=utf-8')
  return `Background tasks to try:

curl -i -X POST ${url}/reports
    starts a report that takes ${REPORT_SECONDS} seconds
curl ${url}/reports
    lists the reports
curl ${url}/reports/1
    shows one: its status and its progress
curl ${url}/reports/1/result
    shows what it has found, once it has completed
curl -i -X DELETE ${url}/reports/1
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
