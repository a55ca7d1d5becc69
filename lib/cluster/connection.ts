import { FST_ERR_TASK_INVALID_OPTION } from '../core/errors.ts'
import type { BullSettings } from './bullmq/engine.ts'
import type { PostgresConnection } from './bullmq/postgres.ts'
import type { RedisConnection } from './bullmq/redis.ts'
import type { Engine } from './engine.ts'
import { FST_ERR_TASK_MISSING_PACKAGE } from './errors.ts'

interface Settings extends BullSettings {
  readonly connection: string | object | undefined
  readonly prefix: string
  readonly migrate: boolean
}

/** The engine for a connection. The packages that it needs are loaded only here. */
export async function createEngine (settings: Settings): Promise<Engine> {
  const { prefix, timeout, migrate } = settings
  const connection = settings.connection instanceof URL ? settings.connection.href : settings.connection
  if (connection === undefined) {
    const { LocalEngine } = await import('./local.ts')
    return new LocalEngine()
  }
  const server = serverOf(connection)
  try {
    const { BullEngine } = await import('./bullmq/engine.ts')
    if (server === 'redis') {
      const { RedisStore } = await import('./bullmq/redis.ts')
      return new BullEngine(new RedisStore(connection as RedisConnection, prefix), settings)
    }
    const { PostgresStore } = await import('./bullmq/postgres.ts')
    return new BullEngine(new PostgresStore(connection as PostgresConnection, prefix, timeout, migrate), settings)
  } catch (error) {
    const missing = missingPackage(error)
    if (missing === undefined) throw error
    throw new FST_ERR_TASK_MISSING_PACKAGE(missing, server === 'redis' ? 'bullmq@~6.7 ioredis' : 'bullmq@~6.7 pg')
  }
}

/** The error does not show the connection, which may hold a password. */
function serverOf (connection: unknown): 'redis' | 'postgres' {
  const server = typeof connection === 'string' ? ofUrl(connection) : ofObject(connection)
  if (server !== undefined) return server
  throw new FST_ERR_TASK_INVALID_OPTION('connection', 'fastify-tasks/cluster',
    'must be a redis:, rediss:, postgres: or postgresql: URL, as a string or a URL object, connection options, an ioredis client or cluster, or a pg.Pool')
}

function ofUrl (connection: string): 'redis' | 'postgres' | undefined {
  const protocol = URL.canParse(connection) ? new URL(connection).protocol : undefined
  if (protocol === 'redis:' || protocol === 'rediss:') return 'redis'
  if (protocol === 'postgres:' || protocol === 'postgresql:') return 'postgres'
  return undefined
}

/** A pool or the options of one mean PostgreSQL, all other objects Redis. */
function ofObject (connection: unknown): 'redis' | 'postgres' | undefined {
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) return undefined
  if ('totalCount' in connection || 'connectionString' in connection || 'database' in connection) return 'postgres'
  return 'redis'
}

function missingPackage (error: unknown): string | undefined {
  const { code, message } = error as { code?: string, message: string }
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return undefined
  return /(?:package|module) '(bullmq|ioredis|pg)'/.exec(message)?.[1]
}
