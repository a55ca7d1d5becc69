import t, { type Test } from 'tap'
import type { ClusterOptions, KindOptions } from '../../lib/cluster/index.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

onEveryServer(t, (t, engine) => {
  let prefixes = 0

  async function buildFleet (t: Test, kindOptions: KindOptions = {}, plugin: Omit<ClusterOptions, 'prefix'> = {}) {
    const options = { connection: engine.connection!, prefix: `faults-worker${process.pid}-${++prefixes}`, stallTimeout: 1500, drainTimeout: 100, cancelTimeout: 1000, ...plugin }
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {}, kindOptions)
    await app.ready()
    return { kind, startWorker: () => WorkerProcess.start(t, options, kindOptions) }
  }

  for (const data of ['stubborn', 'timer']) {
    const what = data === 'stubborn' ? 'work that swallows its abort' : 'work that is done as soon as the process goes on'
    t.test(`a process that is stopped for longer than stallTimeout loses its task: ${what}`, async t => {
      const { kind, startWorker } = await buildFleet(t)
      const first = await startWorker()
      const task = await kind.addTask(data, { name: 'stopped' })
      await first.until('started', 'stopped')
      for await (const { progress } of task.watch()) if (progress === 1) break
      first.child.kill('SIGSTOP')
      const second = await startWorker()
      t.match(await second.until('started', 'stopped'), { attempt: 1, progress: 1 })
      const result = await task.finished
      t.strictSame(result, { pid: second.pid, attempt: 1, progress: 2 })
      first.child.kill('SIGCONT')
      if (data === 'stubborn') await first.until('aborted', 'stopped')
      const after = await kind.addTask('quick')
      await after.finished
      first.child.kill('SIGTERM')
      t.strictSame(await first.exit, [0, null])
      t.match(await kind.getTask('stopped'), { status: 'completed', result, worker: { pid: second.pid } })
      t.strictSame(first.complaints, [])
    })
  }

  t.test('a rolling deploy: two processes are replaced one after the other, no task is lost, and none runs twice to its end', async t => {
    const { kind, startWorker } = await buildFleet(t, { concurrency: 4 })
    const old = [await startWorker(), await startWorker()]
    const names = Array.from({ length: 40 }, (_, i) => `task ${i}`)
    const tasks = await kind.addTasks(names.map((name, i) => ({ data: 'slow', name, ...(i % 4 === 0 && { delay: 400 }), ...(i % 5 === 0 && { priority: 1 }) })))
    const workers = [...old]
    for (const worker of old) {
      await worker.until('ended')
      const next = await startWorker()
      workers.push(next)
      worker.child.kill('SIGTERM')
      t.strictSame(await worker.exit, [0, null])
    }
    await Promise.all(tasks.map(task => task.finished))
    for (const name of names) {
      const task = await kind.getTask(name)
      t.match(task, { status: 'completed', attempt: 1 }, name)
      t.equal(workers.flatMap(({ told }) => told).filter(({ what, task }) => what === 'ended' && task === name).length, 1, name)
    }
    t.strictSame(await kind.count(), { deferred: 0, running: 0, completed: 40, failed: 0 })
    for (const worker of workers) t.strictSame(worker.complaints, [])
  })

  t.test('no task of a process that is killed is lost', async t => {
    const { kind, startWorker } = await buildFleet(t, { concurrency: 5 })
    const first = await startWorker()
    const tasks = await kind.addTasks(Array.from({ length: 20 }, (_, i) => ({ data: 'slow', name: `task ${i}` })))
    await first.until('ended')
    await first.until('started', 'task 7')
    first.child.kill('SIGKILL')
    await first.exit
    const second = await startWorker()
    await Promise.all(tasks.map(task => task.finished))
    t.strictSame(await kind.count(), { deferred: 0, running: 0, completed: 20, failed: 0 })
    t.strictSame(second.complaints, [])
  })
})
