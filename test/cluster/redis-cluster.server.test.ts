import { Cluster, Redis } from 'ioredis'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { RedisStore } from '../../lib/cluster/bullmq/redis.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'
import { freePort } from './fixtures/server-process.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

const skip = skipWithout('redis', { own: true })

/** A Redis Cluster of one node, which has all slots. */
async function startCluster () {
  const args = ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', `${await freePort()}`]
  const server = await startServer('redis', { own: true, args })
  const { port } = server.process!
  const node = new Redis(server.url)
  await node.cluster('ADDSLOTS', ...Array.from({ length: 16_384 }, (_, slot) => slot))
  while (!(await node.cluster('INFO')).includes('cluster_state:ok')) await sleep(20)
  node.disconnect()
  return { ...server, port }
}

t.test('tasks run, are found, listed, cancelled and scheduled on a Redis Cluster', { skip }, async t => {
  const { port, remove } = await startCluster()
  t.teardown(remove)
  const client = new Cluster([{ host: '127.0.0.1', port }])
  t.teardown(() => client.disconnect())
  await once(client, 'ready')
  const [here, there] = await buildFleet(t, { name: 'redis', connection: 'redis://unused' }, async (app, task) => {
    if (task.data === 'endless') await untilAborted(app, task)
    return task.data
  }, { plugin: { connection: client as never, cancelTimeout: 20_000 } })

  t.equal(await (await here.kind.addTask('ran', { name: 'first' })).finished, 'ran')
  t.equal(await (await there.kind.addTask('again', { name: 'first' })).finished, 'again', 'a settled holder is replaced')
  await here.kind.addTask('endless', { name: 'endless' })
  await untilStatus(there.kind, 'endless', 'running')
  await t.rejects(there.kind.addTask('taken', { name: 'endless' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
  await there.kind.cancelTask('endless')
  t.equal((await here.kind.getTask('endless')).status, 'cancelled')
  await here.kind.addTask('delayed', { name: 'delayed', delay: 60_000 })
  await there.kind.cancelTask('delayed')
  await here.kind.idle()
  t.strictSame((await there.kind.tasks()).map(({ name, status }) => [name, status]), [['delayed', 'cancelled'], ['endless', 'cancelled'], ['first', 'completed']])
  await here.kind.scheduleTask('tick', { every: 50 }, 'scheduled')
  let ran
  do [ran] = await there.kind.tasks({ status: 'completed' })
  while (ran?.data !== 'scheduled')
  await there.kind.unscheduleTask('tick')
  t.equal(client.status, 'ready', 'it stays the user\'s')
  const node = client.nodes()[0]!
  const slots = new Map<unknown, string[]>()
  for (const key of await node.keys('*')) {
    const slot = await node.cluster('KEYSLOT', key)
    slots.set(slot, [...slots.get(slot) ?? [], /^\{.*?\}/.exec(key)![0]])
  }
  t.strictSame(Array.from(slots.values(), tags => new Set(tags).size), [1, 1, 1], 'the kind, what its processes share, and their messages are apart')
})

t.test('a Redis Cluster that does not answer is named by all of its nodes, without their password', async t => {
  const nodes = [{ host: '10.0.0.1', port: 7000 }, 'redis://:secret@10.0.0.2:7001', 7002]
  const client = new Cluster(nodes, { lazyConnect: true })
  const store = new RedisStore(client, 'tasks')
  t.teardown(() => store.close())
  t.equal(store.server, '10.0.0.1:7000, 10.0.0.2:7001, 7002')
  t.equal(store.optionsOf('report').prefix, '{tasks:report}')
})
