import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Cluster, ClusterOptions, ClusterWork, Kind, KindOptions } from '../../types/cluster.ts'
import { registryOf, WAITS_FOR_ITSELF } from '../core/task-registry.ts'
import { createEngine } from './connection.ts'
import { Kinds } from './kinds.ts'
import { checkClusterOptions } from './options.ts'

export { clusterTaskStateSchema } from './cluster-task-state.ts'
export * as errors from './errors.ts'
export type * from '../../types/cluster.ts'

async function cluster (fastify: FastifyInstance, options: ClusterOptions) {
  const settings = checkClusterOptions(options)
  const log = {
    info: (message: string) => fastify.log.info(message),
    warn: (message: string, details: object = {}) => fastify.log.warn(details, message)
  }
  const registry = registryOf(fastify.tasks)
  const kinds = new Kinds(await createEngine({ ...settings, log }), settings, registry)

  // A getter, so that work gets the instance that it was defined on.
  fastify.decorate('cluster', {
    getter (this: FastifyInstance) {
      const isOurs = this === fastify || Object.prototype.isPrototypeOf.call(fastify, this)
      return clusterOf(isOurs ? this : fastify, kinds)
    }
  })

  fastify.addHook('onReady', async () => {
    if (settings.connection === undefined) {
      const level = process.env.NODE_ENV === 'production' ? 'warn' : 'info'
      fastify.log[level]('fastify-tasks/cluster has no connection: its tasks live in this process, and end with it')
    }
    const worked = await kinds.start()
    if (kinds.place !== undefined) {
      const which = worked.length === 0 ? 'no tasks' : `tasks of ${listOf(worked.map(name => `"${name}"`))}`
      fastify.log.info({ kinds: worked, prefix: settings.prefix }, `fastify-tasks/cluster uses ${kinds.place} with the prefix "${settings.prefix}"; this process runs ${which}`)
    }
  })
  fastify.addHook('preClose', async () => kinds.endWatches())
  fastify.addHook('onClose', async () => {
    registry.beginDrain() // the core's draining tasks drain beside those of the fleet
    const { handedOver, cancelled, left } = await kinds.close()
    if (handedOver.length > 0) fastify.log.info({ tasks: handedOver }, `tasks handed over to other processes: ${listOf(handedOver)}`)
    if (cancelled.length > 0) fastify.log.info({ tasks: cancelled }, `tasks cancelled, as they end with this process: ${listOf(cancelled)}`)
    if (left.length > 0) fastify.log.warn({ tasks: left }, `tasks have not stopped${settings.connection === undefined ? '' : '; other processes take them over'}: ${listOf(left)}. ${WAITS_FOR_ITSELF}`)
  })
}

/** How many names the message of a log line has at most. All of them are in the line's `tasks`. */
const MAX_LISTED = 20

function listOf (names: string[]): string {
  const more = names.length - MAX_LISTED
  return names.slice(0, MAX_LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function clusterOf (app: FastifyInstance, kinds: Kinds): Cluster {
  return {
    defineTask: ((kind: string, work: ClusterWork, options?: KindOptions) => kinds.define(app, kind, work, options)) as Cluster['defineTask'],
    getKind: kind => kinds.get(kind) as Kind<any, any, any>,
    ping: () => kinds.ping(),
    [Symbol.iterator]: () => kinds[Symbol.iterator]()
  }
}

/** Background tasks of a fleet of processes: `app.cluster`. It is registered after `fastify-tasks`, which runs the work. */
export default fp(cluster, { fastify: '5.x', name: 'fastify-tasks/cluster', dependencies: ['fastify-tasks'] })
