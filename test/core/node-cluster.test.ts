import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

t.test('a deferred task runs once on every worker of a cluster', async t => {
  cluster.setupPrimary({ exec: fileURLToPath(new URL('fixtures/cluster-worker.ts', import.meta.url)) })
  const workers = Array.from({ length: 3 }, () => cluster.fork())
  t.teardown(() => { for (const worker of workers) worker.process.kill('SIGKILL') })

  async function run (worker: Worker) {
    const messages: unknown[] = []
    worker.on('message', message => {
      messages.push(message)
      if (message === 'listening') worker.send('close')
    })
    const [code] = await once(worker, 'exit')
    return { code, messages }
  }

  const runs = await Promise.all(workers.map(run))
  t.strictSame(runs, Array(3).fill({ code: 0, messages: ['deferred task ran', 'listening'] }))
  t.equal(new Set(workers.map(worker => worker.process.pid)).size, 3)
})
