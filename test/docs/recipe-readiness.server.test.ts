import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import readiness from '../../examples/readiness.ts'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import { skipWithout, startServer } from '../cluster/fixtures/servers.ts'
import { closeAfter } from '../core/fixtures/app.ts'

for (const name of ['redis', 'postgres'] as const) {
  const skip = skipWithout(name, { own: true })
  t.test(`${name}: a process is ready while its server answers, and again when it is back`, { skip }, async t => {
    const server = await startServer(name, { own: true })
    t.teardown(server.remove)
    const app = Fastify({ logger: { stream: { write () {} } } })
    closeAfter(t, app)
    await app.register(tasks)
    await app.register(cluster, { connection: server.url, timeout: 3000, drainTimeout: 0, cancelTimeout: 0 })
    await app.register(readiness, { interval: 50 })
    app.get('/', async () => 'hello')
    const url = await app.listen()

    /** Resolves once both routes are answered so. */
    async function until (status: number) {
      const statuses = async () => (await Promise.all([fetch(`${url}/ready`), fetch(url)])).map(({ status }) => status)
      while ((await statuses()).some(answered => answered !== status)) await sleep(20)
      t.pass(`${status}`)
    }

    await until(200)
    await server.process!.stop()
    await until(503)
    await server.process!.start()
    await until(200)
    server.process!.freeze()
    await until(503)
    server.process!.thaw()
    await until(200)
  })
}
