// Progress in the browser with server-sent events. `task.watch()` gives a state whenever it has changed, so nothing
// is polled. The stream ends with the task, when its client goes, and when the app closes.
import { PassThrough, pipeline } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks, { type TaskGenerator, type TaskState } from 'fastify-tasks'

/** What the page shows. */
export interface Progress { done: number, total: number }

export interface ProgressOptions {
  build: TaskGenerator<unknown, FastifyInstance, unknown, Progress>
  /** Milliseconds between two events at least. Default: 200 */
  interval?: number
  /** Milliseconds between two heartbeats, without which a proxy cuts off a stream that says nothing. Default: 15000 */
  heartbeat?: number
}

/** A stream of server-sent events: the states of a task, and comments, which the page does not see, as a heartbeat. */
export function eventStream (states: AsyncIterable<TaskState>, heartbeat = 15_000): PassThrough {
  const stream = new PassThrough()
  const timer = setInterval(() => stream.write(': heartbeat\n\n'), heartbeat)
  pipeline(events(states), stream, () => clearInterval(timer))
  return stream
}

async function * events (states: AsyncIterable<TaskState>) {
  for await (const state of states) yield `data: ${JSON.stringify(state)}\n\n`
}

// An EventSource connects again when its stream ends, so the page closes it after the last state.
const page = (prefix: string) => `<!doctype html>
<title>Progress</title>
<progress value="0"></progress> <output></output>
<script type="module">
  const { name } = await (await fetch('${prefix}/reports', { method: 'POST' })).json()
  const source = new EventSource(name + '/progress') // it is named after its URL
  source.onmessage = event => {
    const { status, progress, settledAt } = JSON.parse(event.data)
    if (progress) Object.assign(document.querySelector('progress'), { max: progress.total, value: progress.done })
    document.querySelector('output').value = status
    if (settledAt) source.close()
  }
</script>
`

export default async function progress (app: FastifyInstance, { build, interval = 200, heartbeat }: ProgressOptions) {
  const prefix = `${app.prefix}/reports/`
  let reports = 0

  app.get('/', async (request, reply) => reply.type('text/html').send(page(app.prefix)))

  app.post('/reports', async (request, reply) => {
    return reply.code(202).send(app.addTask(build, { name: `${prefix}${++reports}`, kind: 'report' }))
  })

  app.get<{ Params: { id: string } }>('/reports/:id/progress', async (request, reply) => {
    const states = app.getTask(prefix + request.params.id).watch({ interval })
    reply.raw.once('close', () => states.return()) // the client has gone: wait for no more states
    reply.type('text/event-stream').header('cache-control', 'no-store')
    reply.header('connection', 'close') // else it stays open, idle, and a server that closes waits for it
    return reply.send(eventStream(states, heartbeat))
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(progress, {
    async * build (app, { signal }) {
      for (let done = 1; done <= 20; done++) {
        await sleep(100, undefined, { signal })
        yield { done, total: 20 }
      }
    }
  })
}
