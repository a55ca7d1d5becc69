// bull-board over the kinds of the fleet. A kind is a queue of BullMQ of the same name, under the plugin's `prefix`. The board
// is read-only, because bull-board knows nothing of the plugin: if it removed or retried a job, the plugin would not know. (The page of
// fastify-tasks/dashboard can also cancel and retry tasks.)
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { FastifyAdapter } from '@bull-board/fastify'
import { createPostgresBackend, Queue } from 'bullmq'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import cluster, { type Kind } from 'fastify-tasks/cluster'

export interface BoardOptions {
  /** The `connection` and `prefix` of fastify-tasks/cluster. */
  connection: string
  tasksPrefix?: string
}

/** The names of the kinds here need no encoding: see the reference of fastify-tasks/cluster. */
function queueOf ({ name }: Kind<any, any, any>, { connection, tasksPrefix = 'tasks' }: BoardOptions): Queue {
  if (connection.startsWith('redis')) return new Queue(name, { connection: { url: connection }, prefix: tasksPrefix })
  return new Queue(name, { connection: { connectionString: connection, schema: tasksPrefix } }, createPostgresBackend) as unknown as Queue
}

function adapterOf (queue: Queue) {
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true })
  adapter.setFormatter('name', job => String(job.id).replace(/^~/, '')) // the task's name
  adapter.setFormatter('data', data => data.value)
  adapter.setFormatter('returnValue', returned => (returned as { value?: unknown } | null)?.value)
  return adapter
}

/** Register it after the cluster, with a hook that checks who may see the board. */
export default async function board (app: FastifyInstance, options: BoardOptions) {
  const queues: Queue[] = []
  const serverAdapter = new FastifyAdapter()
  serverAdapter.setBasePath(app.prefix)
  const { addQueue } = createBullBoard({ queues: [], serverAdapter })
  await app.register(serverAdapter.registerPlugin())
  app.addHook('onReady', async () => { // by then all kinds are defined, and PostgreSQL has its tables
    queues.push(...Array.from(app.cluster, kind => queueOf(kind, options)))
    for (const queue of queues) addQueue(adapterOf(queue))
  })
  app.addHook('onClose', async () => {
    await Promise.all(queues.map(queue => queue.close()))
  })
}

export async function program (app: FastifyInstance) {
  const { TASKS_URL: connection = 'redis://127.0.0.1:6379' } = process.env
  await app.register(tasks)
  await app.register(cluster, { connection })
  const orders = app.cluster.defineTask('order', async (app, task) => ({ year: task.data, total: 42 }))
  app.post('/orders', async (request, reply) => reply.code(202).send(await orders.addTask(2026)))
  await app.register(board, { prefix: '/board', connection })
}
