// What all processes of the fleet share: the kinds of task, and the work of each. A process that runs no tasks needs the kinds,
// too, to add tasks and to find them.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import tasks from 'fastify-tasks'
import cluster, { type ClusterOptions, type Kind, type RunningTask } from 'fastify-tasks/cluster'

export interface Year { year: number }
export interface Report { year: number, sales: number }
export interface Progress { done: number, total: number }

declare module 'fastify' {
  interface FastifyInstance {
    salesReports: Kind<Report, Year, Progress>
  }
}

const MONTHS = 12

/** A run begins with the progress of the run before it, so it goes on where another process has stopped. */
async function * buildReport (app: FastifyInstance, { data, signal, log, progress }: RunningTask<Year, Progress>) {
  const { REPORT_SECONDS = '20' } = process.env
  const first = progress?.done ?? 0
  log.info(`begins with month ${first + 1}`)
  for (let done = first; done < MONTHS; done++) {
    await sleep(Number(REPORT_SECONDS) * 1000 / MONTHS, undefined, { signal }) // stands in for the database
    yield { done: done + 1, total: MONTHS }
  }
  return { year: data.year, sales: 42 }
}

export default fp(async function reports (app: FastifyInstance, options: ClusterOptions) {
  await app.register(tasks)
  await app.register(cluster, { drainTimeout: 1000, ...options })
  app.decorate('salesReports', app.cluster.defineTask('report', buildReport, {
    attempts: 3,
    backoff: { type: 'exponential', delay: 1000 },
    schema: { type: 'object', properties: { year: { type: 'integer' } }, required: ['year'] }
  }))
})
