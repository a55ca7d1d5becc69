// The routes of the fleet. They are the same whether this process runs the tasks or another one does.
import type { FastifyInstance } from 'fastify'
import { eventStream } from '../progress.ts'

interface ByYear { Params: { year: string } }

// An EventSource connects again when its stream ends, so the page closes it after the last state.
const page = `<!doctype html>
<title>Report</title>
<progress value="0"></progress> <output></output>
<script type="module">
  await fetch('/reports/2026', { method: 'PUT' })
  const source = new EventSource('/reports/2026/progress')
  source.onmessage = event => {
    const { status, progress, settledAt } = JSON.parse(event.data)
    if (progress) Object.assign(document.querySelector('progress'), { max: progress.total, value: progress.done })
    document.querySelector('output').value = status
    if (settledAt) source.close()
  }
</script>
`

export default async function web (app: FastifyInstance) {
  app.get('/', async (request, reply) => reply.type('text/html').send(page))

  // '/reports/:year' would match '/reports/', too. But a task cannot have an empty name.
  app.put<ByYear>('/reports/:year(.+)', async (request, reply) => {
    const { year } = request.params
    return reply.code(202).send(await app.salesReports.addTask({ year: Number(year) }, { name: year, onDuplicate: 'keep' }))
  })
  app.get('/reports', async () => app.salesReports.tasks())
  app.get<ByYear>('/reports/:year', async request => app.salesReports.getTask(request.params.year))
  app.get<ByYear>('/reports/:year/result', async (request, reply) => {
    const task = await app.salesReports.getTask(request.params.year)
    return task.status === 'completed' ? task.result : reply.code(409).send(task)
  })
  app.delete<ByYear>('/reports/:year', async (request, reply) => {
    await app.salesReports.cancelTask(request.params.year)
    reply.code(204)
  })

  app.get<ByYear>('/reports/:year/progress', async (request, reply) => {
    const task = await app.salesReports.getTask(request.params.year)
    const states = task.watch({ interval: 200 })
    reply.raw.once('close', () => states.return()) // the client has gone: wait for no more states
    reply.type('text/event-stream').header('cache-control', 'no-store')
    reply.header('connection', 'close') // else it stays open, idle, and a server that closes waits for it
    return reply.send(eventStream(states))
  })
}
