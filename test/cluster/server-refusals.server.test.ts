import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import { buildApp } from './fixtures/fleet.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

async function startApp (t: Test, name: 'redis' | 'postgres', connection: string) {
  const { app } = await buildApp(t, { name, connection }, { work: false })
  const kind = app.cluster.defineTask<any, unknown, any>('refused', () => {})
  app.get('/add', async () => await kind.addTask('x'.repeat(1000)))
  await app.ready()
  await kind.addTask(1, { name: 'before' })
  return { app, kind }
}

type Started = Awaited<ReturnType<typeof startApp>>

/** A client reads a 503 that quotes neither a script nor SQL. */
async function assertRefused (t: Test, { app, kind }: Started, cause: RegExp) {
  const error = await kind.addTask('x'.repeat(1000)).then(() => undefined, error => error)
  t.match(error, { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, cause: { message: cause } })
  const reply = await app.inject('/add')
  t.equal(reply.statusCode, 503)
  t.notMatch(reply.body, /script|[\da-f]{40}|INSERT|add_job/i)
}

t.test('redis', { skip: skipWithout('redis', { own: true }) }, async t => {
  t.test('what a full Redis, and one that became a replica, refuse is a 503', async t => {
    const server = await startServer('redis', { own: true })
    t.teardown(server.remove)
    const started = await startApp(t, 'redis', server.url)
    const client = new Redis(server.url)
    t.teardown(() => client.disconnect())
    await client.config('SET', 'maxmemory', '1')
    await assertRefused(t, started, /OOM/)
    await client.config('SET', 'maxmemory', '0')
    await started.kind.addTask(1, { name: 'after' })
    await client.replicaof('127.0.0.1', 1)
    await assertRefused(t, started, /READONLY/)
    await client.replicaof('NO', 'ONE')
    t.equal((await started.kind.addTask(1, { name: 'again' })).name, 'again')
  })
})

t.test('postgres', { skip: skipWithout('postgres', { own: true }) }, async t => {
  t.test('what a PostgreSQL that is read-only refuses is a 503', async t => {
    const server = await startServer('postgres', { own: true })
    t.teardown(server.remove)
    const started = await startApp(t, 'postgres', server.url)
    const admin = new pg.Client(server.url)
    await admin.connect()
    t.teardown(() => admin.end())
    await admin.query('ALTER SYSTEM SET default_transaction_read_only = on')
    await admin.query('SELECT pg_reload_conf()')
    for (;;) {
      const { rows: [row] } = await admin.query('SHOW default_transaction_read_only')
      if (row.default_transaction_read_only === 'on') break
    }
    let refused = false
    while (!refused) refused = await started.kind.addTask(1).then(() => false, () => true) // each session reads its settings by itself
    await assertRefused(t, started, /read-only/)
  })
})
