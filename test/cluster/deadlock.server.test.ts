import type { Pool } from 'pg'
import t from 'tap'
import { PostgresStore } from '../../lib/cluster/bullmq/postgres.ts'
import { onEveryServer } from './fixtures/engines.ts'

onEveryServer(t, (t, engine) => {
  if (engine.name !== 'postgres') return
  t.test('two statements that wait for each other are both done', async t => {
    const store = new PostgresStore(engine.connection!, `deadlock_${process.pid}`, 5000, true)
    await store.connect()
    t.teardown(() => store.close())
    const pool = store.options.connection as unknown as Pool
    await pool.query('CREATE TABLE seen (id int PRIMARY KEY, count int)')
    await pool.query('INSERT INTO seen VALUES (1, 0), (2, 0)')
    const countBoth = (first: number, second: number) => pool.query(`DO $$ BEGIN
      UPDATE seen SET count = count + 1 WHERE id = ${first};
      PERFORM pg_sleep(0.5);
      UPDATE seen SET count = count + 1 WHERE id = ${second};
    END $$`)

    await Promise.all([countBoth(1, 2), countBoth(2, 1)])

    const { rows } = await pool.query('SELECT id, count FROM seen ORDER BY id')
    t.strictSame(rows, [{ id: 1, count: 2 }, { id: 2, count: 2 }])
  })
})
