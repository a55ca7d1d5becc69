import { EventEmitter, once } from 'node:events'
import pg from 'pg'
import t, { type Test } from 'tap'
import { EventFeed } from '../../lib/cluster/bullmq/event-feed.ts'
import type { EventArgs } from '../../lib/cluster/bullmq/store.ts'
import { openQueue } from './fixtures/queues.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

t.test('postgres', { skip: skipWithout('postgres') }, async t => {
  const server = await startServer('postgres')
  t.teardown(server.remove)
  const schema = `feed_${process.pid}`
  const engine = { name: 'postgres', connection: server.url } as const
  let queues = 0

  /** A queue, its feed, and the events that came. */
  async function buildFeed (t: Test) {
    const name = `feed${++queues}`
    const queue = await openQueue(t, engine, schema, name)
    await queue.waitUntilReady()
    const pool = new pg.Pool({ connectionString: server.url, options: `-c search_path=${schema}` })
    t.teardown(() => pool.end())
    pool.on('error', () => {})
    pool.on('connect', client => client.on('error', () => {}))
    const connection = { pid: 0 }
    const feed = new EventFeed(async () => {
      const client = await pool.connect()
      connection.pid = (client as unknown as { processID: number }).processID
      return client
    })
    const heard: string[] = []
    const told = new EventEmitter()
    const open = (queue: string) => {
      const source = feed.open(queue)
      source.on('error', error => told.emit('failed', error))
      source.on('note', ({ jobId }: EventArgs) => {
        heard.push(jobId)
        told.emit('note')
      })
      t.teardown(() => source.close())
      return source
    }
    const source = open(name)
    const publish = async (jobId: string, client: Pick<pg.Pool, 'query'> = pool, queue = name) => {
      await client.query('SELECT publish_event($1, $2, $3)', [queue, 'note', JSON.stringify({ jobId })])
    }
    const untilHeard = async (jobId: string) => { while (!heard.includes(jobId)) await once(told, 'note') }
    // It listens from about now on.
    while (heard.length === 0) await Promise.all([publish('began'), Promise.race([once(told, 'note'), new Promise(resolve => setTimeout(resolve, 50))])])
    return { name, pool, connection, source, open, heard, told, publish, untilHeard }
  }

  t.test('an event that is committed after a later one arrives', async t => {
    const { pool, publish, untilHeard } = await buildFeed(t)
    const slow = await pool.connect()
    await slow.query('BEGIN')
    await publish('earlier', slow)
    await publish('later')
    await untilHeard('later')
    await slow.query('COMMIT')
    slow.release()
    await untilHeard('earlier')
    t.pass('both')
  })

  t.test('no event arrives twice, however many there are', async t => {
    const { name, pool, heard, publish, untilHeard } = await buildFeed(t)
    await pool.query("SELECT publish_event($1, 'note', jsonb_build_object('jobId', i::text)) FROM generate_series(1, 2500) AS i", [name])
    await publish('last')
    await untilHeard('last')
    const numbers = heard.filter(jobId => /^\d+$/.test(jobId)).map(Number)
    t.strictSame(numbers, Array.from({ length: 2500 }, (_, i) => i + 1))
  })

  t.test('a feed goes on where it was after its connection was ended', async t => {
    const { pool, connection, told, publish, untilHeard } = await buildFeed(t)
    const failed = once(told, 'failed')
    await pool.query('SELECT pg_terminate_backend($1)', [connection.pid])
    await publish('meanwhile')
    await failed
    await untilHeard('meanwhile')
    t.pass('it was told')
  })

  t.test('many queues share one feed, and each gets its own events', async t => {
    const { name, open, heard, publish, untilHeard } = await buildFeed(t)
    const other = `${name}-other`
    await open(other)
    await publish('of the other', undefined, other)
    await publish('of nobody', undefined, `${name}-unwatched`)
    await publish('own')
    await untilHeard('own')
    await untilHeard('of the other')
    t.notOk(heard.includes('of nobody'))
  })

  t.test('a feed that nobody reads gives its connection back, and can be opened again', async t => {
    const { name, pool, source, open, publish, untilHeard } = await buildFeed(t)
    const removed = once(pool, 'remove')
    await source.close()
    await removed
    open(name)
    const again = setInterval(() => publish('again').catch(() => {}), 20)
    t.teardown(() => clearInterval(again))
    await untilHeard('again')
    clearInterval(again)
  })
})
