import {
  assertSchemaCompatibility, createPostgresBackend, createPostgresRelayBackend, runMigrations,
  type BackendFactory, type ConnectionOptions, type RelayBackendFactory
} from 'bullmq'
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import pg, { type Client, type Pool, type PoolClient, type PoolConfig } from 'pg'
import { settlesWithin } from '../../core/within.ts'
import { isConnectionError } from './connection-error.ts'
import { EventFeed } from './event-feed.ts'
import type { AnyQueue, LockedQueue, ReadJob, Store, UnendedCounts } from './store.ts'

/** What the option `connection` may be. */
export type PostgresConnection = string | PoolConfig | Pool

/** Milliseconds that closing waits for connections that are in use. */
const CLOSING = 500
/** Connections for commands. Those that block come on top: see `reserve`. */
const COMMANDS = 10

/**
 * PostgreSQL. All commands go through one pool, and what listens keeps a connection of it for good. A pool of the user is not used
 * itself: ours has its own schema in its search path.
 */
export class PostgresStore implements Store {
  readonly product = 'PostgreSQL'
  readonly server: string
  readonly options: Store['options']
  // BullMQ keeps jobs of priority 0 apart and lists them from their end, which would make pages slow.
  readonly firstPriority = 1
  // An event that is committed very late is missed. How the task ended can still be read then.
  readonly leastSettled = 20
  readonly pollInterval = 2000
  problem: string | undefined
  readonly #schema: string
  readonly #pool: TaskPool
  readonly #migrate: boolean
  readonly #clients = new Set<PoolClient>()
  #feed: EventFeed | undefined

  constructor (connection: PostgresConnection, prefix: string, timeout: number, migrate: boolean) {
    this.#schema = schemaOf(prefix)
    this.#migrate = migrate
    this.#pool = new TaskPool(poolConfig(connection, this.#schema, timeout))
    this.#pool.setMaxListeners(0) // each of BullMQ's classes adds one
    this.#pool.on('error', error => this.#pool.report(error))
    this.#pool.on('connect', client => {
      this.#clients.add(client)
      // A client in use emits an error when its connection ends. Without a listener that would end the process.
      client.on('error', error => this.#pool.report(error))
    })
    this.#pool.on('remove', client => this.#clients.delete(client))
    const { host = 'localhost', port = 5432 } = new pg.Client(this.#pool.options)
    this.server = `${host}:${port}`
    this.options = { connection: this.#pool as unknown as ConnectionOptions, prefix }
  }

  readonly backend: BackendFactory<any, any> = (name, options, factoryOptions) => {
    const backend = createPostgresBackend(name, options as never, factoryOptions)
    return adapt(backend, this.#schema)
  }

  readonly relayBackend: RelayBackendFactory<any> = options => adapt(createPostgresRelayBackend(options as never), this.#schema)

  optionsOf () {
    return this.options
  }

  onLost (callback: () => void) {
    this.#pool.lost.push(error => {
      this.problem = error.message
      callback()
    })
  }

  async connect () {
    for (;;) {
      try {
        return await this.#prepare()
      } catch (error) {
        this.problem = (error as Error).message
        if (!isConnectionError(error)) throw error
        if (this.#pool.ending) return
        await setTimeout(200)
      }
    }
  }

  async ping () {
    await this.#pool.query('SELECT 1')
  }

  async isBack () {
    const client = new pg.Client(this.#pool.options)
    client.on('error', () => {})
    try {
      await client.connect()
      await client.query('SELECT 1')
      this.problem = undefined
    } finally {
      client.end().catch(() => {})
    }
  }

  async stateOf (queue: AnyQueue, jobId: string) {
    return await queue.getJobState(jobId)
  }

  async versionsOf ({ name }: LockedQueue, jobIds: readonly string[]) {
    const { rows } = await this.#pool.query('SELECT id, xmin::text AS version FROM job WHERE queue = $1 AND id = ANY($2)', [name, jobIds])
    return new Map<string, string>(rows.map(({ id, version }: { id: string, version: string }) => [id, version]))
  }

  async countUnended (queues: readonly string[]) {
    const { rows } = await this.#pool.query(COUNT_UNENDED, [queues])
    return rows as UnendedCounts[]
  }

  eventsOf (queue: string) {
    if (this.#feed === undefined) {
      this.reserve()
      this.#feed = new EventFeed(() => this.#pool.connect())
    }
    return this.#feed.open(queue)
  }

  /** BullMQ's own method does not say of which minutes its counts are. */
  async metricsOf (queue: AnyQueue, type: 'completed' | 'failed') {
    const { rows: [row] } = await this.#pool.query('SELECT count, prev_ts, prev_count, data FROM metrics WHERE queue = $1 AND kind = $2', [queue.name, type])
    const { count = 0, prev_ts: lastAt = 0, prev_count: countBefore = 0, data = [] } = row ?? {}
    return { count: Number(count), lastAt: Number(lastAt), countBefore: Number(countBefore), minutes: data.map(Number) }
  }

  async storeProgress ({ name }: LockedQueue, jobId: string, token: string, progress: object) {
    const { rowCount } = await this.#pool.query(STORE_PROGRESS, [name, jobId, token, JSON.stringify(progress)])
    return rowCount === 1
  }

  async replaceData ({ name }: LockedQueue, { id, data, finishedOn }: ReadJob, replacement: object) {
    const { rowCount } = await this.#pool.query(REPLACE_DATA, [name, id, JSON.stringify(data), finishedOn ?? null, JSON.stringify(replacement)])
    return rowCount === 1
  }

  async removeJob ({ name }: LockedQueue, { id, data, finishedOn }: ReadJob) {
    const { rowCount } = await this.#pool.query(REMOVE_JOB, [name, id, JSON.stringify(data), finishedOn ?? null])
    return rowCount === 1
  }

  async workersOfExpired ({ name }: LockedQueue, within: number) {
    const { rows } = await this.#pool.query(WORKERS_OF_EXPIRED, [name, Date.now() + within])
    return new Map<string, string>(rows.map(({ id, worker }: { id: string, worker: string }) => [id, worker]))
  }

  /** The space of what was dropped is used again only after a VACUUM, which PostgreSQL itself does once a minute at most. */
  async trimEvents ({ name }: LockedQueue, kept: number) {
    await this.#pool.query(
      'DELETE FROM event WHERE queue = $1 AND id <= (SELECT id FROM event WHERE queue = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)', [name, kept]
    )
    await this.#pool.query('VACUUM (SKIP_LOCKED) event')
  }

  reserve () {
    this.#pool.options.max++
  }

  async connections () {
    const { rows: [{ allowed }] } = await this.#pool.query("SELECT current_setting('max_connections')::int AS allowed")
    return { most: this.#pool.options.max + (this.#feed === undefined ? 1 : 0), allowed }
  }

  async close () {
    if (this.#pool.ending) return
    const ended = this.#pool.end()
    // It waits for connections in use, and some of those may never be given back.
    if (await settlesWithin(ended, CLOSING)) return
    for (const client of this.#clients) (client as unknown as Client).end().catch(() => {})
  }

  async #prepare () {
    const client = await this.#pool.connect()
    try {
      if (this.#migrate) await runMigrations(client, this.#schema)
      else await assertSchemaCompatibility(client, this.#schema)
    } finally {
      client.release()
    }
  }
}

/** Counts each state by itself, since each has an index of its own. */
const COUNT_UNENDED = `
SELECT
  (SELECT count(*) FROM job WHERE job.queue = wanted.queue AND state = 'active')::int AS active,
  (SELECT count(*) FROM job WHERE job.queue = wanted.queue AND state = 'waiting')::int
    + (SELECT count(*) FROM job WHERE job.queue = wanted.queue AND state = 'delayed')::int AS waiting
FROM unnest($1::text[]) WITH ORDINALITY AS wanted (queue, place) ORDER BY place`

/** Stores the progress of a job whose lock has this token. */
const STORE_PROGRESS = `
WITH stored AS (
  UPDATE job SET progress = $4::jsonb WHERE queue = $1 AND id = $2 AND state = 'active' AND lock_token = $3 RETURNING queue, id
)
SELECT publish_event(queue, 'progress', jsonb_build_object('jobId', id, 'data', '{}')) FROM stored`

/** The workers of the jobs that BullMQ looks at next and whose locks expire before a time. */
const WORKERS_OF_EXPIRED = "SELECT id, processed_by AS worker FROM job WHERE queue = $1 AND state = 'active' AND stalled_marked AND locked_until_ms < $2"

/** Whether a job still is as it was read. */
const SAME = 'queue = $1 AND id = $2 AND data = $3::jsonb AND finished_at_ms IS NOT DISTINCT FROM $4'
const REPLACE_DATA = `UPDATE job SET data = $5::jsonb WHERE ${SAME}`
const REMOVE_JOB = `
WITH removed AS (DELETE FROM job WHERE ${SAME} AND state <> 'active' RETURNING queue, id)
SELECT publish_event(queue, 'removed', jsonb_build_object('jobId', id)) FROM removed`

/** See https://www.postgresql.org/docs/current/errcodes-appendix.html */
const DEADLOCK = '40P01'

/**
 * BullMQ tries again only after an error with the code `ECONNREFUSED`. After any other error it would fail a task whose result it could
 * not store because the server was just stopping.
 */
class TaskPool extends pg.Pool {
  readonly lost: ((error: Error) => void)[] = []

  report (error: Error) {
    for (const callback of this.lost) callback(error)
  }

  override query (...args: any[]): any {
    return super.query(...args as [string]).catch(error => {
      // Two statements waited for each other's rows. The server has undone this one.
      if (error.code === DEADLOCK) return this.query(...args)
      if (!isConnectionError(error)) throw error
      this.report(error)
      throw Object.assign(error, { code: 'ECONNREFUSED' })
    })
  }
}

/**
 * BullMQ assumes that a pool uses its default schema, and would look for its tables there. And it connects once before its first query,
 * and would throw the error of a failure again for ever.
 */
function adapt<Backend> (backend: Backend, schema: string): Backend {
  const { connection } = backend as unknown as { connection: { schema: string, readyPromise: Promise<void> | undefined, waitUntilReady (): Promise<void> } }
  connection.schema = schema
  const connect = connection.waitUntilReady.bind(connection)
  connection.waitUntilReady = async () => {
    try {
      await connect()
    } catch (error) {
      connection.readyPromise = undefined
      throw error
    }
  }
  return backend
}

/** A name as BullMQ takes it for a schema. */
function schemaOf (prefix: string): string {
  const schema = prefix.replace(/[^A-Za-z0-9_]/g, char => `$${char.charCodeAt(0).toString(16)}`).replace(/^[^A-Za-z_]/, '_$&')
  return schema.length > 63 ? `tasks_${createHash('sha256').update(prefix).digest('hex').slice(0, 32)}` : schema
}

/** Values as BullMQ expects them. An app may have set other parsers, in `pg.types` for all pools or in its own. */
const { BOOL, INT4, INT8, JSONB } = pg.types.builtins
const parsers = new Map<number, (text: string) => unknown>([[BOOL, text => text === 't'], [INT4, Number], [INT8, String], [JSONB, text => JSON.parse(text)]])
const asExpected = { getTypeParser: (type: number) => parsers.get(type) ?? pg.types.getTypeParser(type, 'text') }

function poolConfig (connection: PostgresConnection, schema: string, timeout: number): PoolConfig {
  const given = typeof connection === 'string' ? { connectionString: connection } : settingsOf(connection)
  const url = URL.canParse(given.connectionString ?? '') ? new URL(given.connectionString!) : undefined
  const urlOptions = url?.searchParams.get('options') ?? undefined
  url?.searchParams.delete('options') // those of a URL would replace ours
  const options = urlOptions ?? given.options ?? ''
  return {
    keepAlive: true,
    connectionTimeoutMillis: timeout,
    ...given,
    ...urlOptions !== undefined && { connectionString: url!.href },
    types: asExpected,
    max: COMMANDS,
    options: `${options} -c search_path="${schema}"`.trim()
  }
}

/** The settings of a pool; some of them it hides from enumeration, so that they are not logged. */
function settingsOf (connection: PoolConfig | Pool): PoolConfig {
  if (!('options' in connection) || typeof connection.options !== 'object') return connection as PoolConfig
  const { options } = connection
  return { ...options, password: options.password, ssl: options.ssl } as PoolConfig
}
