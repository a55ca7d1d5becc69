// The example server, run by `npm start`. GET / tells what there is to try.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import basicAuth from '@fastify/basic-auth'
import websocket from '@fastify/websocket'
import closeWithGrace from 'close-with-grace'
import Fastify, { type FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'
import cluster, { type RunningTask } from 'fastify-tasks/cluster'
import dashboard from 'fastify-tasks/dashboard'
import feed, { websocketOptions } from './websocket.ts'

const { HOST = '127.0.0.1', PORT = '3000', REPORT_SECONDS = '20', DASHBOARD_USER = 'admin' } = process.env
const madeUp = process.env.DASHBOARD_PASSWORD === undefined
const { DASHBOARD_PASSWORD = randomBytes(12).toString('base64url') } = process.env

const app = Fastify({ logger: true })
await app.register(tasks, { maxSettledAge: 60 * 60 * 1000 }) // states and results are kept for an hour
await app.register(cluster) // without a connection: its kinds are worked by this process, and end with it
await app.register(websocket, { options: websocketOptions })
await app.register(feed)

// The page for operators. Its users can cancel every task, so it asks for a password.
const digest = (text: string) => createHash('sha256').update(text).digest()
const isSame = (given: string, expected: string) => timingSafeEqual(digest(given), digest(expected))
await app.register(basicAuth, {
  authenticate: { realm: 'tasks' },
  async validate (user, password) {
    if (!isSame(user, DASHBOARD_USER) || !isSame(password, DASHBOARD_PASSWORD)) throw new Error('wrong user or password')
  }
})

// Kinds of the fleet. With a connection to Redis or PostgreSQL, all processes would share their tasks.
let isFixed = false

const mails = app.cluster.defineTask('mail', async (app, { attempt, data, log }: RunningTask<{ to: string }>) => {
  if (attempt < 3) throw Object.assign(new Error(`no connection to the mail server, attempt ${attempt}`), { code: 'ECONNREFUSED' })
  log.info(`mail sent to ${data.to}`)
}, { attempts: 3, backoff: { type: 'exponential', delay: 1000 } })

const invoices = app.cluster.defineTask('invoice', async (app, { data }: RunningTask<{ customer: string }>) => {
  if (!isFixed) throw new Error(`customer ${data.customer} has no address`)
  return { number: 4711 }
}, { attempts: 2 })

const cleanups = app.cluster.defineTask('cleanup', async function * (app, { signal }) {
  for (let done = 0; done < 5; done++) {
    yield { done, total: 5 }
    await sleep(200, undefined, { signal })
  }
})

await app.register(dashboard, { prefix: '/tasks', onRequest: app.basicAuth, title: 'Example tasks' })

app.addTask(async (app, { signal, log }) => {
  await sleep(1000, undefined, { signal })
  log.info('Server successfully started!')
}, { name: 'start-report' })

// These tasks give the page something to show from the start.
app.addTask(async () => ({ tables: 12 }), { name: 'check-database', kind: 'check', data: { database: 'sales' } })
app.addTask(async () => {
  throw new Error('the backup is 3 days old', { cause: new Error('the disk is full') })
}, { name: 'check-backup', kind: 'check', data: { database: 'sales' } })
app.addTask(async function * warmUp (app, { signal }) {
  for (let percent = 0; percent <= 100; percent++) {
    yield { percent }
    await sleep(600, undefined, { signal })
  }
}, { name: 'warm-up' })

app.addHook('onReady', async () => {
  await cleanups.scheduleTask('every-minute', { every: 60_000 })
  await cleanups.addTask(undefined, { name: 'at-start' })
  await mails.addTask({ to: 'ann@example.com' }, { name: 'welcome:ann' })
  await mails.addTask({ to: 'bob@example.com' }, { name: 'reminder:bob', delay: 60 * 60 * 1000 })
  await invoices.addTask({ customer: 'ann' }, { name: 'invoice:ann' })
})

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

// Clients name only the part behind this prefix, so they cannot reach any other task.
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

app.put('/address', async () => {
  isFixed = true
  return { fixed: 'invoices find an address now' }
})

app.get('/', async (request, reply) => {
  const url = `${request.protocol}://${request.host}`
  reply.type('text/plain; charset=utf-8')
  return `Background tasks to try:

${url}/tasks/
    the page that shows them; npm start prints the password. Some have run already:
    check-backup has failed, welcome:ann has failed twice and then succeeded
curl -X PUT ${url}/address
    mends what invoice:ann has failed of; then press Retry on the page (Fleet, invoice)
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
  // Requests get a second to be answered. After that, idle connections are cut, because they would delay the close.
  setTimeout(() => app.server.closeAllConnections(), 1000).unref()
  await app.close()
})

const address = await app.listen({ host: HOST, port: Number(PORT) })
const login = madeUp ? `user ${DASHBOARD_USER}, password ${DASHBOARD_PASSWORD}` : 'user and password of the environment'
app.log.info(`Dashboard at ${address}/tasks/: ${login}`)
