import { Redis } from 'ioredis'
import { createRequire } from 'node:module'
import pg from 'pg'
import t from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'

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

onEveryServer(t, (t, engine) => {
  const { hostname: host, port, username: user, password } = new URL(engine.connection!)
  const server = { host, port: Number(port), ...(password !== '' && { password }) }
  const url = engine.connection!
  const connections: Record<string, () => any> = engine.name === 'redis'
    ? {
        'connection options': () => server,
        'connection options with a URL': () => ({ url }),
        'an ioredis client': () => new Redis(url),
        'a client of another copy of ioredis': () => new (anotherCopyOf('ioredis').Redis)(url)
      }
    : {
        'connection options': () => ({ ...server, user, database: 'postgres' }),
        'connection options with a URL': () => ({ connectionString: url }),
        'a pg.Pool': () => new pg.Pool({ connectionString: url }),
        'a pg.Pool with a password': () => new pg.Pool({ ...server, user, password: password || 'any', database: 'postgres' })
      }

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
