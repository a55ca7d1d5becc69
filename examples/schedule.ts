// A schedule of the fleet. Many processes may declare it: each of its times is still one task, which one process runs. With
// TASKS_URL, start this program twice, the second time with PORT=3001: sometimes one process runs the task, sometimes the other.
import type { FastifyInstance } from 'fastify'
import tasks from 'fastify-tasks'
import cluster, { type When } from 'fastify-tasks/cluster'

export interface ScheduleOptions {
  when: When
}

export default async function schedule (app: FastifyInstance, { when }: ScheduleOptions) {
  const cleanUps = app.cluster.defineTask('clean-up', async (app, { name, log }) => {
    log.info(`cleaned up: ${name}`) // its name ends with its time
  })

  // Every process may declare it at start. A process that declares other times changes them for all.
  await cleanUps.scheduleTask('nightly', when)

  app.get('/clean-ups', async () => cleanUps.tasks({ limit: 10 }))
  app.get('/schedules', async () => cleanUps.schedules())
  app.delete('/schedules/nightly', async (request, reply) => {
    await cleanUps.unscheduleTask('nightly')
    reply.code(204)
  })
}

export async function program (app: FastifyInstance) {
  await app.register(tasks)
  await app.register(cluster, { connection: process.env.TASKS_URL })
  await app.register(schedule, { when: { cron: '* * * * * *' } }) // every second here; '0 3 * * *' is every night at three
}
