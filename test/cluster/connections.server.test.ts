import { Redis } from 'ioredis'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { skipWithout, startServer, type ServerName } from './fixtures/servers.ts'

/** Another copy of a package, as another version of it would be. */
function anotherCopyOf (name: string) {
  const require = createRequire(import.meta.url)
  const path = require.resolve(name)
  const loaded = { ...require.cache }
  for (const key of Object.keys(require.cache)) delete require.cache[key]
  const copy = require(path)
  Object.assign(require.cache, loaded)
  return copy
}

/** A server that takes few connections, and an app whose kinds all run here. */
async function buildCrowd (t: Test, name: ServerName, args: string[], kinds: number) {
  const { url, remove } = await startServer(name, { own: true, args })
  t.teardown(remove)
  const { app, lines } = await buildApp(t, { name, connection: url }, { work: true })
  const all = Array.from({ length: kinds }, (_, i) => app.cluster.defineTask(`kind ${i}`, () => i))
  await app.ready()
  const warnings = lines.filter(({ level, msg }) => level === 40 && /connections/.test(msg)).map(({ msg }) => msg)
  return { url, all, warnings }
}

for (const [name, few, enough] of [['redis', ['--maxclients', '20'], ['--maxclients', '24']], ['postgres', ['-c', 'max_connections=30'], ['-c', 'max_connections=32']]] as const) {
  t.test(`${name}: one warning says that a process may open more than half of the connections`, { skip: skipWithout(name, { own: true }) }, async t => {
    const { warnings } = await buildCrowd(t, name, [...few], 5)
    const [most, allowed] = name === 'redis' ? [12, 20] : [16, 30]
    t.equal(warnings.length, 1)
    t.match(warnings[0], RegExp(`may open ${most} of the ${allowed} connections that the task server at 127\\.0\\.0\\.1:\\d+ allows`))
    t.strictSame((await buildCrowd(t, name, [...enough], 5)).warnings, [])
  })
}

t.test('postgres: the watches of many kinds share one connection', { skip: skipWithout('postgres', { own: true }) }, async t => {
  const { url, all } = await buildCrowd(t, 'postgres', ['-c', 'max_connections=60'], 8)
  t.strictSame(await Promise.all(all.map(async kind => await (await kind.addTask(1)).finished)), [0, 1, 2, 3, 4, 5, 6, 7])
  const client = new pg.Client(url)
  await client.connect()
  const count = async () => {
    const { rows } = await client.query("SELECT count(*)::int AS feeds FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%FROM event%'")
    return rows[0].feeds
  }
  let feeds
  while ((feeds = await count()) === 0) await sleep(20) // a poll may have told of the ends before the watch has connected
  await client.end()
  t.equal(feeds, 1)
})

onEveryServer(t, (t, engine) => {
  t.test('a prefix may have any characters', async t => {
    for (const prefix of ['with space', 'Größe', '任务', 'a:b', '{x}', 'a"b']) {
      const { app, lines } = await buildApp(t, engine, { prefix: `${prefix} ${process.pid}` })
      const kind = app.cluster.defineTask('any', () => 'ran')
      await app.ready()
      t.equal(await (await kind.addTask(1)).finished, 'ran', prefix)
      t.equal((await kind.workers()).length, 1)
      t.strictSame(lines.filter(({ level }) => level >= 40), [])
      await app.close()
    }
  })

  const { hostname: host, port, username: user, password } = new URL(engine.connection!)
  const server = { host, port: Number(port), ...(password !== '' && { password }) }
  const url = engine.connection!
  const connections: Record<string, () => any> = engine.name === 'redis'
    ? {
        'connection options': () => server,
        'connection options with a URL': () => ({ url }),
        'a URL object': () => new URL(url),
        'a client that connects at its first command': () => new Redis(url, { lazyConnect: true }),
        'options of a client that connects at its first command': () => ({ ...server, lazyConnect: true }),
        'a URL of a client that connects at its first command': () => `${url}?lazyConnect=true`,
        'an ioredis client': () => new Redis(url),
        'a client of another copy of ioredis': () => new (anotherCopyOf('ioredis').Redis)(url)
      }
    : {
        'connection options': () => ({ ...server, user, database: 'postgres' }),
        'connection options with a URL': () => ({ connectionString: url }),
        'a URL object': () => new URL(url),
        'a URL with options of the server': () => `${url}?options=-c%20statement_timeout%3D60000`,
        'connection options whose URL has options of the server': () => ({ connectionString: `${url}?options=-c%20statement_timeout%3D60000` }),
        'a pg.Pool': () => new pg.Pool({ connectionString: url }),
        'a pg.Pool with a password': () => new pg.Pool({ ...server, user, password: password || 'any', database: 'postgres' })
      }

  t.test('settings that are meant for other commands do no harm', async t => {
    const connection = engine.name === 'redis'
      ? { ...server, commandTimeout: 200, socketTimeout: 200, blockingTimeout: 200, stringNumbers: true, replyMapping: 'resp3' }
      : { connectionString: url, types: { getTypeParser: () => (value: unknown) => value } }
    const { app, lines } = await buildApp(t, engine, { connection })
    const kind = app.cluster.defineTask('waits', (_app, { data }) => data)
    await app.ready()
    t.equal(await (await kind.addTask('ran', { delay: 1000 })).finished, 'ran')
    t.match(await kind.tasks(), [{ data: 'ran' }])
    t.match(await kind.count(), { completed: 1 })
    t.strictSame(lines.filter(({ level }) => level >= 40), [])
  })

  for (const [what, connect] of Object.entries(connections)) {
    t.test(`tasks run over ${what}, which stays the user's`, async t => {
      const connection = connect()
      const { app } = await buildApp(t, engine, { connection })
      const kind = app.cluster.defineTask(`over ${what}`, (_app, { data }) => data)
      await app.ready()
      t.equal(await (await kind.addTask('ran')).finished, 'ran')
      await app.close()
      if (connection.ping !== undefined) {
        t.equal(await connection.ping(), 'PONG')
        connection.disconnect()
      } else if (connection.query !== undefined) {
        t.match(await connection.query('SELECT 1 AS one'), { rows: [{ one: 1 }] })
        await connection.end()
      }
    })
  }
})

for (const [what, connection] of Object.entries<() => string | object>({
  options: () => ({ keyPrefix: 'app:' }),
  'a URL': () => 'redis://127.0.0.1:1?keyPrefix=app:',
  'a client': () => new Redis({ lazyConnect: true, keyPrefix: 'app:' }),
  'a cluster': () => new Redis.Cluster([{ port: 1 }], { lazyConnect: true, redisOptions: { keyPrefix: 'app:' } })
})) {
  t.test(`a keyPrefix in ${what} is refused at once`, async t => {
    await t.rejects(buildApp(t, { name: 'redis', connection: undefined }, { connection: connection() }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /"connection".*"keyPrefix".*"prefix"/ })
  })
}
