import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import { buildApp } from './fixtures/fleet.ts'
import { skipWithout, startServer, type ServerName } from './fixtures/servers.ts'

const MEGABYTE = 2 ** 20

/** Text that no server can compress. */
const text = (): string => randomBytes(25_000).toString('hex')

async function runTasks (t: Test, name: ServerName, connection: string) {
  const { app } = await buildApp(t, { name, connection })
  const kind = app.cluster.defineTask('large', async function * () {
    for (let i = 0; i < 3; i++) yield text()
    return text()
  }, { maxSettled: 5 })
  await app.ready()
  await kind.addTasks(Array.from({ length: 600 }, () => ({ data: 0 })))
  await kind.idle()
}

t.test('large progress and results of tasks that are not kept take no memory of Redis', { skip: skipWithout('redis', { own: true }) }, async t => {
  const server = await startServer('redis', { own: true })
  t.teardown(server.remove)
  const client = new Redis(server.url)
  t.teardown(() => client.disconnect())
  const used = async () => Number(/used_memory_dataset:(\d+)/.exec(await client.info('memory'))![1])
  const before = await used()
  await runTasks(t, 'redis', server.url)
  const grown = (await used() - before) / MEGABYTE
  t.ok(grown < 10, `${grown} MB`)
})

t.test('large progress and results of tasks that are not kept leave little in the table of events of PostgreSQL', { skip: skipWithout('postgres', { own: true }) }, async t => {
  const server = await startServer('postgres', { own: true })
  t.teardown(server.remove)
  await runTasks(t, 'postgres', server.url)
  const client = new pg.Client(server.url)
  await client.connect()
  t.teardown(() => client.end())
  const { rows: [{ bytes }] } = await client.query("SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class WHERE relname = 'event' AND relkind = 'r'")
  t.ok(Number(bytes) < 20 * MEGABYTE, `${Number(bytes) / MEGABYTE} MB`)
})
