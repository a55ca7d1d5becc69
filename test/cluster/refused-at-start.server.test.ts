import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

/** `ready()` names the server and the cause, and never the password. */
async function assertRefused (t: Test, connection: string, port: number, cause: RegExp, timeout = 30_000) {
  const lines: string[] = []
  const app = Fastify({ pluginTimeout: 0, logger: { level: 'debug', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(tasks)
  await app.register(cluster, { connection, timeout })
  const error: any = await Promise.resolve(app.ready()).then(() => t.fail('it is ready'), error => error)
  t.match(error, { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, message: cause })
  t.match(error.message, `127.0.0.1:${port}`)
  app.log.error(error)
  t.notMatch(`${error.stack} ${error.cause?.stack} ${JSON.stringify(error)} ${lines}`, /secret/)
  await app.close()
}

t.test('postgres', { skip: skipWithout('postgres', { own: true }) }, async t => {
  const server = await startServer('postgres', { own: true })
  t.teardown(server.remove)
  const { port, directory } = server.process!
  const admin = new pg.Client(server.url)
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query("CREATE ROLE ada LOGIN PASSWORD 'right'")
  const hba = join(directory, 'data/pg_hba.conf')
  writeFileSync(hba, `host all ada 127.0.0.1/32 scram-sha-256\n${readFileSync(hba, 'utf8')}`)
  await admin.query('SELECT pg_reload_conf()')

  const refusals: Record<string, [string, RegExp]> = {
    'a role that does not exist': ['nobody:secret@127.0.0.1/postgres', /role "nobody" does not exist/],
    'a wrong password': ['ada:secret@127.0.0.1/postgres', /password authentication failed for user "ada"/],
    'no password': ['ada@127.0.0.1/postgres', /password/],
    'a database that does not exist': ['postgres:secret@127.0.0.1/nowhere', /database "nowhere" does not exist/],
    'a role that may not create the schema': ['ada:right@127.0.0.1/postgres', /permission denied/]
  }
  for (const [what, [url, cause]] of Object.entries(refusals)) {
    t.test(what, async t => assertRefused(t, `postgres://${url.replace('127.0.0.1', `127.0.0.1:${port}`)}`, port, cause))
  }
})

t.test('redis', { skip: skipWithout('redis', { own: true }) }, async t => {
  const server = await startServer('redis', { own: true })
  t.teardown(server.remove)
  const { port } = server.process!
  const admin = new Redis(server.url)
  await admin.config('SET', 'requirepass', 'right')
  admin.disconnect()

  t.test('a wrong password', async t => assertRefused(t, `redis://:secret@127.0.0.1:${port}`, port, /WRONGPASS|NOAUTH/, 10_000))
})
