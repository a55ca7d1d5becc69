// At most two tasks of a user at a time, else a 429: in one process, and in a fleet.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import cluster from 'fastify-tasks/cluster'

export interface PerUserOptions {
  work: (app: FastifyInstance, task: { signal: AbortSignal }) => Promise<unknown>
  /** Tasks that a user may have at a time. Default: 2 */
  most?: number
}

interface ByUser { Params: { user: string } }

/** In one process. A third task of a user is refused with `FST_ERR_TASK_LIMIT`, which Fastify sends as a 429. */
export async function perUser (app: FastifyInstance, { work, most = 2 }: PerUserOptions) {
  app.post<ByUser>('/users/:user/imports', async (request, reply) => {
    const { user } = request.params // Yours comes from your authentication.
    return reply.code(202).send(app.addTask(work, { kind: 'import', data: { user }, limit: { key: `import:${user}`, max: most } }))
  })
}

/** In a fleet: the same, decided over all processes. */
export async function perUserInFleet (app: FastifyInstance, { work, most = 2 }: PerUserOptions) {
  const imports = app.cluster.defineTask('import', work)

  app.post<ByUser>('/users/:user/imports', async (request, reply) => {
    const { user } = request.params
    return reply.code(202).send(await imports.addTask({ user }, { limit: { key: user, max: most } }))
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(cluster, { connection: process.env.TASKS_URL })
  const work: PerUserOptions['work'] = (_app, { signal }) => sleep(10_000, 'imported', { signal })
  await app.register(perUser, { work, prefix: '/process' })
  await app.register(perUserInFleet, { work, prefix: '/fleet' })
}
