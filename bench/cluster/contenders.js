import {
  createPostgresBackend, createPostgresRelayBackend, createRedisBackend, createRedisRelayBackend, Queue, Relay, runMigrations, Worker
} from 'bullmq'
import Fastify from 'fastify'
import tasks from 'fastify-tasks'
import cluster from 'fastify-tasks/cluster'
import { Redis } from 'ioredis'
import pg from 'pg'

/** What both run at once, and keep of what has settled. */
export const CONCURRENCY = 10
export const KEPT = 1000

/** BullMQ on a server as its documents show it: one connection for commands. */
export async function openBare (url) {
  if (url.startsWith('redis')) {
    const connection = new Redis(url, { maxRetriesPerRequest: null })
    return bareOn({ connection, prefix: 'bare' }, createRedisBackend, createRedisRelayBackend, () => connection.quit())
  }
  const pool = new pg.Pool({ connectionString: url, max: 15, options: '-c search_path=bullmq' })
  const client = await pool.connect()
  await runMigrations(client)
  client.release()
  return bareOn({ connection: pool }, createPostgresBackend, createPostgresRelayBackend, () => pool.end())
}

function bareOn (options, backend, relayBackend, end) {
  const opened = []
  const keep = contender => {
    opened.push(contender.on('error', () => {}))
    return contender
  }
  return {
    queue: name => keep(new Queue(name, options, backend)),
    worker: (name, work) => keep(new Worker(name, work, {
      ...options, concurrency: CONCURRENCY, removeOnComplete: { count: KEPT }, removeOnFail: { count: KEPT }
    }, backend)),
    relay: () => keep(new Relay({ ...options, backend: relayBackend })),
    async close () {
      await Promise.all(opened.map(contender => contender.close()))
      await end()
    }
  }
}

/** An app as in production: it logs, though not at debug, unless told otherwise. `define` defines its kinds. */
export async function openTasks (url, define, options = {}, { level = 'warn', ...core } = {}) {
  const app = Fastify({ logger: { level } })
  await app.register(tasks, core)
  await app.register(cluster, { connection: url, maxSettled: KEPT, timeout: 60_000, ...options })
  const kinds = define(app)
  await app.ready()
  return { app, kinds }
}
