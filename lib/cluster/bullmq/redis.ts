import {
  createRedisBackend, createRedisRelayBackend, QueueEvents, type BackendFactory, type ConnectionOptions, type QueueOptions, type RelayBackendFactory
} from 'bullmq'
import { Redis, type Cluster, type RedisOptions } from 'ioredis'
import { createHash } from 'node:crypto'
import { FST_ERR_TASK_INVALID_OPTION } from '../../core/errors.ts'
import type { AnyQueue, EventSource, LockedQueue, ReadJob, Store, StoreOptions, UnendedCounts } from './store.ts'

/** What the option `connection` may be. */
export type RedisConnection = string | RedisOptions | Redis | Cluster

/** Stores the progress of a job whose lock has this token. Keys: the job, its lock, the events. */
const STORE_PROGRESS = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'progress', ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'event', 'progress', 'jobId', ARGV[2], 'data', '{}')
return 1`

/** Returns a digest of what may change of each job. Keys: the jobs. */
const VERSIONS = `
local versions = {}
for i, key in ipairs(KEYS) do
  local fields = redis.call('HMGET', key, 'timestamp', 'data', 'progress', 'delay', 'priority', 'processedOn', 'finishedOn', 'failedReason', 'ats', 'atm', 'stc')
  for j, field in ipairs(fields) do fields[j] = field or '' end
  versions[i] = fields[1] == '' and '' or redis.sha1hex(table.concat(fields, '|'))
end
return versions`
/** How many versions one command reads: the data of the jobs may be large. */
const VERSIONS_AT_ONCE = 20

/** Counts the jobs of queues that run, and those that wait. Keys: five of each queue. */
const COUNT_UNENDED = `
local counts = {}
for i = 1, #KEYS, 5 do
  local active, wait, paused = redis.call('LLEN', KEYS[i]), redis.call('LLEN', KEYS[i + 1]), redis.call('LLEN', KEYS[i + 2])
  local waiting = wait + paused + redis.call('ZCARD', KEYS[i + 3]) + redis.call('ZCARD', KEYS[i + 4])
  table.insert(counts, { active, waiting })
end
return counts`
/** Where the jobs are that it counts. */
const UNENDED = ['active', 'wait', 'paused', 'prioritized', 'delayed']

/**
 * Returns the id and the worker of each job whose lock has expired or will within so many ms. Keys: the set of jobs that BullMQ looks at
 * next. Arguments: the prefix of the queue's keys, ms.
 */
const WORKERS_OF_EXPIRED = `
local found = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local job = ARGV[1] .. id
  if redis.call('PTTL', job .. ':lock') < tonumber(ARGV[2]) then
    table.insert(found, id)
    table.insert(found, redis.call('HGET', job, 'pb') or '')
  end
end
return found`

/** ms that a read waits for events. */
const BLOCKING = 10_000

/** Whether a job still is as it was read. Keys: the job. Arguments: a digest of its data, and when it ended. */
const UNLESS_SAME = `
if redis.sha1hex(redis.call('HGET', KEYS[1], 'data') or '') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[1], 'finishedOn') or '') ~= ARGV[2] then return 0 end`

/** Replaces the data of a job. */
const REPLACE_DATA = `${UNLESS_SAME}
redis.call('HSET', KEYS[1], 'data', ARGV[3])
return 1`

/**
 * Removes a job that nobody runs. Keys: the job, its lock, its logs, the events, the list of those that run, then where it may be: sorted
 * sets, and last two lists. If Redis has evicted the one that held it, it is in none.
 */
const REMOVE_JOB = `${UNLESS_SAME}
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local removed = 0
for i = 6, #KEYS - 2 do removed = removed + redis.call('ZREM', KEYS[i], ARGV[3]) end
for i = #KEYS - 1, #KEYS do
  if removed == 0 then removed = redis.call('LREM', KEYS[i], 1, ARGV[3]) end
end
if removed == 0 then
  for _, id in ipairs(redis.call('LRANGE', KEYS[5], 0, -1)) do
    if id == ARGV[3] then return 0 end
  end
end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', ARGV[3])
return 1`

const SETS = ['completed', 'failed', 'prioritized', 'delayed']
const LISTS = ['wait', 'paused']

/** A client that knows the scripts. */
interface ScriptedClient {
  countUnendedJobs (count: number, ...keys: string[]): Promise<[active: number, waiting: number][]>
  taskVersions (count: number, ...jobs: string[]): Promise<string[]>
  storeTaskProgress (job: string, lock: string, events: string, token: string, jobId: string, progress: string): Promise<number>
  replaceTaskData (job: string, digest: string, finishedOn: string, data: string): Promise<number>
  workersOfExpiredTasks (stalled: string, prefix: string, within: number): Promise<string[]>
  removeTaskJob (...keysAndArguments: string[]): Promise<number>
}

/**
 * Redis or Valkey. All commands go through one connection. BullMQ makes one more for each command that blocks. A client of the user is
 * not used itself: ours never gives up on a command, and theirs should.
 */
export class RedisStore implements Store {
  readonly product = 'Redis'
  readonly server: string
  readonly options: Store['options']
  readonly backend = createRedisBackend as BackendFactory<any, any>
  readonly relayBackend = createRedisRelayBackend as RelayBackendFactory<any>
  readonly firstPriority = 0
  readonly leastSettled = 0
  readonly pollInterval = 15_000
  problem: string | undefined
  #reserved = 0
  readonly #client: Redis | Cluster
  readonly #prefix: string
  #ready: Promise<void> | undefined

  constructor (connection: RedisConnection, prefix: string) {
    this.#client = connect(connection)
    this.#client.defineCommand('storeTaskProgress', { numberOfKeys: 3, lua: STORE_PROGRESS })
    this.#client.defineCommand('countUnendedJobs', { lua: COUNT_UNENDED })
    this.#client.defineCommand('taskVersions', { lua: VERSIONS })
    this.#client.defineCommand('workersOfExpiredTasks', { numberOfKeys: 1, lua: WORKERS_OF_EXPIRED })
    this.#client.defineCommand('replaceTaskData', { numberOfKeys: 1, lua: REPLACE_DATA })
    this.#client.defineCommand('removeTaskJob', { numberOfKeys: 5 + SETS.length + LISTS.length, lua: REMOVE_JOB })
    this.#client.on('error', (error: Error) => { this.problem = error.message })
    this.#client.on('ready', () => { this.problem = undefined })
    this.server = serverOf(this.#client)
    this.#prefix = encodePrefix(prefix)
    this.options = { connection: this.#client as ConnectionOptions, prefix: isCluster(this.#client) ? `{${this.#prefix}}` : this.#prefix }
  }

  /** The keys of a queue must be in one slot of a Redis Cluster, and those of other queues need not be in the same. */
  optionsOf (queue: string): StoreOptions {
    return { ...this.options, ...isCluster(this.#client) && { prefix: `{${this.#prefix}:${queue}}` } }
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

  /** BullMQ's own method searches the list of all jobs that wait. */
  async stateOf (queue: AnyQueue, jobId: string) {
    const backend = queue.getBackend()
    const [active, delayed] = await Promise.all([backend.isJobInState('active', jobId), backend.isJobInState('delayed', jobId)])
    if (active) return 'active'
    return delayed ? 'delayed' : undefined
  }

  async versionsOf (queue: LockedQueue, jobIds: readonly string[]) {
    const client = this.#client as unknown as ScriptedClient
    const known = new Map<string, string>()
    for (let i = 0; i < jobIds.length; i += VERSIONS_AT_ONCE) {
      const ids = jobIds.slice(i, i + VERSIONS_AT_ONCE)
      const versions = await client.taskVersions(ids.length, ...ids.map(id => queue.toKey(id)))
      ids.forEach((id, j) => { if (versions[j] !== '') known.set(id, versions[j]!) })
    }
    return known
  }

  async countUnended (queues: readonly string[]) {
    if (!isCluster(this.#client)) return await this.#countUnended(queues)
    const counts: UnendedCounts[] = []
    for (const queue of queues) counts.push(...await this.#countUnended([queue]))
    return counts
  }

  eventsOf (queue: string, options: Omit<QueueOptions, 'connection'>) {
    return new QueueEvents(queue, { ...options, ...this.optionsOf(queue), blockingTimeout: BLOCKING }, this.backend) as EventSource
  }

  async metricsOf (queue: AnyQueue, type: 'completed' | 'failed') {
    const { meta: { count, prevTS, prevCount }, data } = await queue.getMetrics(type)
    return { count, lastAt: prevTS, countBefore: prevCount, minutes: data }
  }

  async storeProgress (queue: LockedQueue, jobId: string, token: string, progress: object) {
    const job = queue.toKey(jobId)
    return await this.#scripted.storeTaskProgress(job, `${job}:lock`, queue.toKey('events'), token, jobId, JSON.stringify(progress)) === 1
  }

  async replaceData (queue: LockedQueue, job: ReadJob, data: object) {
    return await this.#scripted.replaceTaskData(queue.toKey(job.id!), ...asRead(job), JSON.stringify(data)) === 1
  }

  async removeJob (queue: LockedQueue, job: ReadJob) {
    const key = queue.toKey(job.id!)
    const places = [...SETS, ...LISTS].map(place => queue.toKey(place))
    return await this.#scripted.removeTaskJob(key, `${key}:lock`, `${key}:logs`, queue.toKey('events'), queue.toKey('active'), ...places, ...asRead(job), job.id!) === 1
  }

  async workersOfExpired (queue: LockedQueue, within: number) {
    const found = await this.#scripted.workersOfExpiredTasks(queue.toKey('stalled'), queue.toKey(''), within)
    const workers = new Map<string, string>()
    for (let i = 0; i < found.length; i += 2) workers.set(found[i]!, found[i + 1]!)
    return workers
  }

  async trimEvents (queue: LockedQueue, kept: number) {
    await this.#client.xtrim(queue.toKey('events'), 'MAXLEN', kept)
  }

  reserve () {
    this.#reserved++
  }

  /** All commands share one connection, all cancellations another, and each watched kind has its own. */
  async connections (kinds: number) {
    if (isCluster(this.#client)) return undefined
    const allowed = Number(/^maxclients:(\d+)/m.exec(await this.#client.info('clients'))?.[1])
    return allowed > 0 ? { most: 2 + this.#reserved + kinds, allowed } : undefined
  }

  async #countUnended (queues: readonly string[]): Promise<UnendedCounts[]> {
    const keys = queues.flatMap(queue => UNENDED.map(place => `${this.optionsOf(queue).prefix}:${queue}:${place}`))
    const counts = await this.#scripted.countUnendedJobs(keys.length, ...keys)
    return counts.map(([active, waiting]) => ({ active, waiting }))
  }

  get #scripted () {
    return this.#client as unknown as ScriptedClient
  }

  async close () {
    this.#client.disconnect()
  }
}

/** The prefix as the name of a connection takes it, which BullMQ makes of it: ASCII without spaces. */
function encodePrefix (prefix: string): string {
  return prefix.replace(/[^!-~]/g, char => `%${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A digest of a job's data, and when it ended, as the scripts compare them. BullMQ stores the data as JSON. */
function asRead ({ data, finishedOn }: ReadJob): [string, string] {
  return [createHash('sha1').update(JSON.stringify(data)).digest('hex'), finishedOn === undefined ? '' : `${finishedOn}`]
}

/**
 * Settings that replace the user's. Those may limit how long a command takes, and a worker's command waits for the next job. Commands
 * wait for the server without a limit. The health monitor limits how long a verb waits for its command. Replies have the form that
 * BullMQ expects.
 */
const ours = {
  maxRetriesPerRequest: null,
  retryStrategy: (attempt: number) => Math.min(50 * attempt, 2000),
  keepAlive: 10_000,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
  enableOfflineQueue: true,
  autoResubscribe: true,
  autoResendUnfulfilledCommands: true,
  stringNumbers: false,
  replyMapping: 'legacy'
} satisfies RedisOptions

/** For a client, and for a cluster as a whole: its nodes it connects itself, when it needs them. */
const atOnce = { lazyConnect: false }

function connect (connection: RedisConnection): Redis | Cluster {
  const client = clientOf(connection)
  if (client.options.keyPrefix) {
    throw new FST_ERR_TASK_INVALID_OPTION('connection', 'fastify-tasks/cluster', 'must not have a "keyPrefix", which BullMQ cannot use: give the plugin a "prefix" instead')
  }
  if (!isCluster(client)) return (client as Redis).duplicate({ ...ours, ...atOnce })
  const redisOptions = { ...client.options.redisOptions, ...ours } as never
  return client.duplicate([], { ...atOnce, enableOfflineQueue: true, scaleReads: 'master', redisOptions })
}

/** The user's client, or one that has the user's settings and never connects. */
function clientOf (connection: RedisConnection): Redis | Cluster {
  const given = typeof connection === 'string' ? { url: connection } : connection
  if (isClient(given)) return given
  const { url, ...options } = given as RedisOptions & { url?: string }
  return Reflect.construct(Redis, [{ lazyConnect: true }, url, options]) // ioredis takes the first value of a setting, also before that of a URL
}

/** Whether it is a client, also one of another copy of ioredis. */
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
