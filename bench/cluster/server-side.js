import { Redis } from 'ioredis'
import pg from 'pg'

/** What PostgreSQL is started with, so that it counts its statements. */
export const serverArgs = { redis: [], postgres: ['-c', 'shared_preload_libraries=pg_stat_statements', '-c', 'pg_stat_statements.max=10000'] }

/** What a server says of itself. */
export async function openServer (url) {
  return url.startsWith('redis') ? await openRedis(url) : await openPostgres(url)
}

async function openRedis (url) {
  const client = new Redis(url)
  await client.config('SET', 'slowlog-max-len', '10000')
  await client.config('SET', 'slowlog-log-slower-than', '1000')
  const info = async (section, field) => Number(new RegExp(`${field}:(\\d+)`).exec(await client.info(section))[1])
  return {
    longest: 'command',
    limit: 50,
    /** Forgets what it has done so far. */
    reset: async () => await client.slowlog('RESET'),
    /** ms of the longest command since then. */
    slowest: async () => Math.max(1000, ...(await client.slowlog('GET', -1)).map(([,, microseconds]) => microseconds)) / 1000,
    /** Commands since it was started. */
    calls: async () => await info('stats', 'total_commands_processed'),
    /** Bytes of what it holds. */
    bytes: async () => await info('memory', 'used_memory_dataset'),
    close: async () => client.disconnect()
  }
}

async function openPostgres (url) {
  const client = new pg.Client(url)
  await client.connect()
  await client.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements')
  const value = async query => Number((await client.query(query)).rows[0].value)
  return {
    longest: 'statement',
    limit: 200,
    reset: async () => await client.query('SELECT pg_stat_statements_reset()'),
    slowest: async () => await value("SELECT max(max_exec_time) AS value FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'"),
    calls: async () => await value('SELECT sum(calls) AS value FROM pg_stat_statements'),
    bytes: async () => await value("SELECT coalesce(sum(pg_total_relation_size(oid)), 0) AS value FROM pg_class WHERE relname = 'event' AND relkind = 'r'"),
    close: async () => await client.end()
  }
}
