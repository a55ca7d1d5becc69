import { createRedisBackend, createRedisRelayBackend, type BackendFactory, type ConnectionOptions, type RelayBackendFactory } from 'bullmq'
import { Redis, type Cluster, type RedisOptions } from 'ioredis'
import type { AnyQueue, LockedQueue, Store } from './store.ts'

/** What a user may hand over. */
export type RedisConnection = string | RedisOptions | Redis | Cluster

/** Stores the progress of a job whose lock has this token. Keys: the job, its lock, the events. */
const STORE_PROGRESS = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'progress', ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'event', 'progress', 'jobId', ARGV[2], 'data', '{}')
return 1`

/** A client that knows the script. */
interface ScriptedClient {
  storeTaskProgress (job: string, lock: string, events: string, token: string, jobId: string, progress: string): Promise<number>
}

/**
 * Redis or Valkey. One connection carries all commands; BullMQ makes a further one for whatever blocks. A client that the
 * user hands over is not used itself: ours never gives up on a command, which is no good for theirs.
 */
export class RedisStore implements Store {
  readonly server: string
  readonly options: Store['options']
  readonly backend = createRedisBackend as BackendFactory<any, any>
  readonly relayBackend = createRedisRelayBackend as RelayBackendFactory<any>
  readonly firstPriority = 0
  readonly leastSettled = 0
  readonly eventsTimeout = 10_000
  readonly lookAgain = 15_000
  problem: string | undefined
  readonly #client: Redis | Cluster
  #ready: Promise<void> | undefined

  constructor (connection: RedisConnection, prefix: string) {
    this.#client = connect(connection)
    this.#client.defineCommand('storeTaskProgress', { numberOfKeys: 3, lua: STORE_PROGRESS })
    this.#client.on('error', (error: Error) => { this.problem = error.message })
    this.server = serverOf(this.#client)
    // The keys of a queue must be in one slot of a Redis Cluster.
    this.options = { connection: this.#client as ConnectionOptions, prefix: isCluster(this.#client) ? `{${prefix}}` : prefix }
  }

  onLost (callback: () => void) {
    this.#client.on('close', callback)
  }

  async connect () {
    if (this.#client.status === 'ready') return
    // One promise for all: each verb that waits would add a listener.
    this.#ready ??= new Promise(resolve => this.#client.once('ready', () => {
      this.#ready = undefined
      resolve()
    }))
    await this.#ready
  }

  async ping () {
    await this.connect()
    await this.#client.ping()
  }

  async isBack () {
    await this.ping()
  }

  /** BullMQ's own answer looks through the list of all that wait. */
  async stateOf (queue: AnyQueue, jobId: string) {
    const backend = queue.getBackend()
    const [active, delayed] = await Promise.all([backend.isJobInState('active', jobId), backend.isJobInState('delayed', jobId)])
    if (active) return 'active'
    return delayed ? 'delayed' : undefined
  }

  async metricsOf (queue: AnyQueue, type: 'completed' | 'failed') {
    const { meta: { count, prevTS, prevCount }, data } = await queue.getMetrics(type)
    return { count, lastAt: prevTS, countBefore: prevCount, minutes: data }
  }

  async storeProgress (queue: LockedQueue, jobId: string, token: string, progress: object) {
    const client = this.#client as unknown as ScriptedClient
    const job = queue.toKey(jobId)
    return await client.storeTaskProgress(job, `${job}:lock`, queue.toKey('events'), token, jobId, JSON.stringify(progress)) === 1
  }

  async trimEvents (queue: LockedQueue, kept: number) {
    await this.#client.xtrim(queue.toKey('events'), 'MAXLEN', kept)
  }

  reserve () {}

  async close () {
    this.#client.disconnect()
  }
}

/** Commands wait for the server as long as it takes: whoever does not want to wait must not wait for the command. */
const forever = {
  maxRetriesPerRequest: null,
  retryStrategy: (attempt: number) => Math.min(50 * attempt, 2000),
  keepAlive: 10_000
} satisfies RedisOptions

function connect (connection: RedisConnection): Redis | Cluster {
  if (typeof connection === 'string') return new Redis(connection, forever)
  if (isCluster(connection)) return connection.duplicate([], { redisOptions: { ...connection.options.redisOptions, ...forever } as never })
  if (isClient(connection)) return connection.duplicate({ ...forever, lazyConnect: false })
  const { url, ...options } = connection as RedisOptions & { url?: string }
  const settings = { ...options, ...forever } as never // ioredis's own types do not agree on what is optional
  return url === undefined ? new Redis(settings) : new Redis(url, settings)
}

/** Of any copy of ioredis. */
function isClient (connection: object): connection is Redis {
  return typeof (connection as Redis).duplicate === 'function'
}

function isCluster (connection: object): connection is Cluster {
  return isClient(connection) && connection.isCluster
}

function serverOf (client: Redis | Cluster): string {
  if (!isCluster(client)) {
    const { path, host, port } = (client as Redis).options
    return path ?? `${host}:${port}`
  }
  const nodes = (client as unknown as { startupNodes: (string | number | { host?: string, port?: number })[] }).startupNodes
  return nodes.map(node => typeof node === 'object' ? `${node.host}:${node.port}` : `${node}`.replace(/^rediss?:\/\/(.*@)?/, '')).join(', ')
}
