import Fastify from 'fastify'
import t from 'tap'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'

onEveryServer(t, (t, engine) => {
  if (engine.name !== 'postgres') return

  t.test('with migrate: false, ready() only checks whether the schema was migrated', async t => {
    const prefix = `migrate_${process.pid}`
    const early = Fastify()
    await early.register(tasks)
    await early.register(cluster, { connection: engine.connection!, prefix, migrate: false })
    await t.rejects(async () => { await early.ready() }, { code: 'FST_ERR_TASK_UNREACHABLE', message: /127\.0\.0\.1:\d+: .*(migrat|schema)/i })
    await early.close().catch(() => {})

    const { app: step } = await buildApp(t, engine, { prefix })
    await step.ready()
    const { app } = await buildApp(t, engine, { prefix, migrate: false })
    const kind = app.cluster.defineTask('migrated', () => 'ran')
    await app.ready()
    t.equal(await (await kind.addTask(1)).finished, 'ran')
  })

  for (const prefix of ['1st: app', 'é', 'x'.repeat(200)]) {
    t.test(`the prefix ${JSON.stringify(prefix.slice(0, 10))} is a schema`, async t => {
      const { app } = await buildApp(t, engine, { prefix })
      const kind = app.cluster.defineTask('prefixed', () => 'ran')
      await app.ready()
      t.equal(await (await kind.addTask(1)).finished, 'ran')
    })
  }
})
