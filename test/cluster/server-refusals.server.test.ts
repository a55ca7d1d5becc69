import { once } from 'node:events'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { RunningTask } from '../../lib/cluster/index.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { buildApp, prefix, untilStatus } from './fixtures/fleet.ts'
import { skipWithout, startServer, type ServerName } from './fixtures/servers.ts'

const PASSWORD = 'sesame-open'

async function ownServer (t: Test, name: ServerName, args: string[] = []) {
  const server = await startServer(name, { own: true, args })
  t.teardown(server.remove)
  return { url: server.url, process: server.process! }
}

async function openRedis (t: Test, url: string) {
  const client = new Redis(url)
  t.teardown(() => client.disconnect())
  return client
}

/** A client of the superuser, and the URL of a user without rights over others. */
async function openPostgres (t: Test, url: string) {
  const admin = new pg.Client(url)
  admin.on('error', () => {})
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query(`CREATE ROLE app LOGIN PASSWORD '${PASSWORD}'; GRANT CREATE ON DATABASE postgres TO app`)
  return { admin, url: url.replace('postgres@', `app:${PASSWORD}@`) }
}

/**
 * An app works on a server that then refuses commands. A client gets a 503 that quotes neither a script nor SQL, tasks that were added
 * before are not lost, and all goes on by itself when the server takes commands again.
 */
async function assertRefuses (t: Test, connection: string, cause: RegExp, { refuse, recover }: { refuse: () => Promise<unknown>, recover: () => Promise<unknown> }) {
  const { app, lines } = await buildApp(t, { name: 'redis', connection }, { stallTimeout: 2000, timeout: 10_000 })
  const gate = new EventTarget()
  const settled: string[] = []
  const kind = app.cluster.defineTask('refused', async (_app, { data }: RunningTask<string>) => {
    if (data === 'gate' && !opened) await once(gate, 'open')
    return data.length
  }, { concurrency: 5, maxStalls: 10, onSettled: (_app, { data }) => { settled.push(data) } })
  let opened = false
  app.get('/add', async () => await kind.addTask('x'.repeat(1000)))
  await app.ready()
  const delayed = await kind.addTask('delayed', { delay: 2000 })
  const running = await kind.addTask('gate')
  for await (const { status } of running.watch()) if (status === 'running') break
  await refuse()
  const until = Date.now() + 60_000
  let error
  do { // a server that still ends its connections is merely away
    error = await kind.addTask('x'.repeat(1000)).then(() => undefined, error => error)
  } while (!cause.test(error?.cause?.message) && Date.now() < until)
  t.match(error, { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, cause: { message: cause } })
  const reply = await app.inject('/add')
  t.equal(reply.statusCode, 503)
  t.notMatch(reply.body, /script|[\da-f]{40}|INSERT|add_job/i)
  opened = true
  gate.dispatchEvent(new Event('open')) // it ends while its result cannot be stored
  await setTimeout(100)
  await recover()
  t.equal(await running.finished, 4)
  t.equal(await delayed.finished, 7)
  for (;;) {
    const after = await kind.addTask('after', { name: 'after', onDuplicate: 'keep' }).catch(() => undefined)
    if (after === undefined) continue
    t.equal(await after.finished, 5)
    break
  }
  await kind.idle()
  for (const data of ['gate', 'delayed', 'after']) t.ok(settled.includes(data), data)
  t.notMatch(`${JSON.stringify(lines)} ${error.stack} ${inspect(error, { depth: null, showHidden: true })}`, new RegExp(`${PASSWORD}|x{1000}`))
}

t.test('redis', { skip: skipWithout('redis', { own: true }) }, async t => {
  t.test('out of memory', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    await assertRefuses(t, url, /OOM/, {
      refuse: () => client.config('SET', 'maxmemory', '1'),
      recover: () => client.config('SET', 'maxmemory', '0')
    })
  })

  t.test('workers ask a server that refuses commands from time to time, and say so once', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    const { app, lines } = await buildApp(t, { name: 'redis', connection: url })
    const gate = withResolvers()
    const kind = app.cluster.defineTask('refused', async () => await gate.promise, { concurrency: 1 })
    await app.ready()
    const tasks = await kind.addTasks(Array.from({ length: 50 }, (_, data) => ({ data })))
    await untilStatus(kind, tasks[0]!.name, 'running')
    const calls = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))![1])
    await client.config('SET', 'maxmemory', '1')
    const before = await calls()
    gate.resolve()
    await setTimeout(3000)
    const asked = await calls() - before
    t.ok(asked < 100, `${asked} commands in 3 s`)
    t.equal(lines.filter(({ msg }) => /OOM/.test(msg)).length, 1)
    await client.config('SET', 'maxmemory', '0')
    await Promise.all(tasks.map(task => task.finished))
  })

  t.test('a cancellation that was refused works once the server takes commands again', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    const { app: worker } = await buildApp(t, { name: 'redis', connection: url })
    const { app } = await buildApp(t, { name: 'redis', connection: url }, { work: false })
    worker.cluster.defineTask('refused', untilAborted)
    const kind = app.cluster.defineTask('refused', untilAborted)
    await worker.ready()
    await app.ready()
    const task = await kind.addTask()
    await untilStatus(kind, task.name, 'running')
    await client.config('SET', 'maxmemory', '1')
    await t.rejects(task.cancel(), { code: 'FST_ERR_TASK_UNREACHABLE' })
    await client.config('SET', 'maxmemory', '0')
    await task.cancel()
    t.equal(task.status, 'cancelled')
  })

  t.test('a server that became a replica', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    await assertRefuses(t, url, /READONLY/, {
      refuse: () => client.replicaof('127.0.0.1', 1),
      recover: () => client.replicaof('NO', 'ONE')
    })
  })

  t.test('a snapshot that cannot be written', async t => {
    const { url, process: { directory } } = await ownServer(t, 'redis', ['--enable-protected-configs', 'yes'])
    const client = await openRedis(t, url)
    const save = async (expected: string) => {
      await client.bgsave()
      while (!(await client.info('persistence')).includes(`rdb_last_bgsave_status:${expected}`)) await setTimeout(20)
    }
    await assertRefuses(t, url, /MISCONF/, {
      async refuse () {
        mkdirSync(join(directory, 'taken'))
        await client.config('SET', 'dbfilename', 'taken')
        await client.config('SET', 'save', '3600 1000000')
        await save('err')
      },
      async recover () {
        rmdirSync(join(directory, 'taken'))
        await save('ok')
      }
    })
  })

  t.test('a server that loads its data', async t => {
    const { url } = await ownServer(t, 'redis', ['--enable-debug-command', 'yes', '--loading-process-events-interval-bytes', '1024'])
    const client = await openRedis(t, url)
    await client.mset(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}`, 'x'.repeat(100)])))
    await client.config('SET', 'key-load-delay', '1000')
    let loaded: Promise<unknown>
    await assertRefuses(t, url, /LOADING/, {
      async refuse () { loaded = client.call('DEBUG', 'RELOAD') },
      recover: () => loaded
    })
  })

  t.test('a password that the app does not have', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    await assertRefuses(t, url, /NOAUTH/, {
      async refuse () {
        await client.config('SET', 'requirepass', PASSWORD)
        await client.auth(PASSWORD)
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      },
      recover: () => client.config('SET', 'requirepass', '')
    })
  })

  t.test('a password that was changed', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    await client.config('SET', 'requirepass', PASSWORD)
    await client.auth(PASSWORD)
    await assertRefuses(t, url.replace('//', `//:${PASSWORD}@`), /WRONGPASS|NOAUTH/, {
      async refuse () {
        await client.config('SET', 'requirepass', 'another')
        await client.auth('another')
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      },
      recover: () => client.config('SET', 'requirepass', PASSWORD)
    })
  })

  t.test('too many clients', async t => {
    const { url } = await ownServer(t, 'redis')
    const client = await openRedis(t, url)
    // Redis ends the connection at once, so its message may not arrive.
    await assertRefuses(t, url, /max number of clients|EPIPE|ECONNRESET|Connection is closed/, {
      async refuse () {
        await client.config('SET', 'maxclients', '1')
        await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      },
      recover: () => client.config('SET', 'maxclients', '1000')
    })
  })
})

t.test('postgres', { skip: skipWithout('postgres', { own: true }) }, async t => {
  t.test('a read-only server', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    const set = async (value: 'on' | 'off') => {
      await admin.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`)
      await admin.query('SELECT pg_reload_conf()')
    }
    await assertRefuses(t, url, /read-only/, {
      refuse: () => set('on'),
      async recover () {
        await admin.query('SET transaction_read_only = off')
        await admin.query('BEGIN READ WRITE; COMMIT')
        await set('off')
      }
    })
  })

  t.test('a schema that the app may not use any more', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    const schema = prefix.replace('-', '$2d')
    await assertRefuses(t, url, /does not exist|permission denied/, {
      refuse: () => admin.query(`ALTER SCHEMA ${schema} OWNER TO postgres`),
      recover: () => admin.query(`ALTER SCHEMA ${schema} OWNER TO app`)
    })
  })

  t.test('too many connections', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    await assertRefuses(t, url, /too many connections/, {
      async refuse () {
        await admin.query('ALTER ROLE app CONNECTION LIMIT 0')
        await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
      },
      recover: () => admin.query('ALTER ROLE app CONNECTION LIMIT -1')
    })
  })

  t.test('a kind that is first used while connections are refused works once they are not', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    const { app } = await buildApp(t, { name: 'postgres', connection: { connectionString: url, idleTimeoutMillis: 50 } as never }, { work: false, timeout: 10_000 })
    const kind = app.cluster.defineTask('late', () => {})
    await app.ready()
    while ((await admin.query("SELECT FROM pg_stat_activity WHERE usename = 'app'")).rowCount! > 0) await setTimeout(50)
    await admin.query('ALTER ROLE app CONNECTION LIMIT 0')
    const error = async () => await kind.count().then(() => undefined, (error: Error) => error)
    t.match(await error(), { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503 })
    await admin.query('ALTER ROLE app CONNECTION LIMIT -1')
    while (await error() !== undefined) await setTimeout(50)
    t.equal((await kind.addTask(1)).status, 'deferred')
  })

  t.test('a full disk', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    await assertRefuses(t, url, /No space left on device/, {
      async refuse () {
        const { rows: [{ table }] } = await admin.query("SELECT oid::regclass AS table FROM pg_class WHERE relname = 'job' AND relkind = 'r'")
        await admin.query(`
          CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = '53100'; END $$;
          CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION public.full_disk()`)
      },
      recover: () => admin.query('DROP FUNCTION public.full_disk CASCADE')
    })
  })

  t.test('a result that is refused at first is stored later, and its task does not run again', async t => {
    const { url: own } = await ownServer(t, 'postgres')
    const { admin, url } = await openPostgres(t, own)
    const { app, lines } = await buildApp(t, { name: 'postgres', connection: url })
    let runs = 0
    const kind = app.cluster.defineTask('refused', () => ++runs)
    await app.ready()
    const { rows: [{ table }] } = await admin.query("SELECT oid::regclass AS table FROM pg_class WHERE relname = 'job' AND relkind = 'r'")
    await admin.query(`
      CREATE FUNCTION public.no_results() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER no_results BEFORE UPDATE ON ${table} FOR EACH ROW WHEN (NEW.return_value IS NOT NULL) EXECUTE FUNCTION public.no_results()`)
    const task = await kind.addTask(1)
    while (!lines.some(({ msg }) => /No space left/.test(msg))) await setTimeout(10)
    await admin.query('DROP FUNCTION public.no_results CASCADE')
    t.equal(await task.finished, 1)
    t.equal(runs, 1)
  })

  t.test('a server that starts', async t => {
    const { url: own, process: server } = await ownServer(t, 'postgres')
    const { url } = await openPostgres(t, own)
    const data = join(server.directory, 'data')
    let started: Promise<void>
    await assertRefuses(t, url, /not yet accepting connections|starting up|not accepting connections/, {
      async refuse () {
        await server.stop()
        writeFileSync(join(data, 'standby.signal'), '') // it waits for the server that it is to replicate
        started = server.start(['-c', 'hot_standby=off'])
      },
      async recover () {
        writeFileSync(join(data, 'promote'), '')
        process.kill(Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]), 'SIGUSR1')
        await started
      }
    })
  })
})
