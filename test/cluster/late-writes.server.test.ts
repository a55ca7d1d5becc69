import t from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

onEveryServer(t, (t, engine) => {
  t.test('late writes of a process do not overwrite the progress of the process that took over its task', async t => {
    const options = { connection: engine.connection!, prefix: `late-writes${process.pid}`, stallTimeout: 4000 }
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {})
    await app.ready()
    const startWorker = () => WorkerProcess.start(t, options)
    const first = await startWorker()
    const task = await kind.addTask('late', { name: `stopped ${process.pid}` })
    for await (const { progress } of task.watch()) if (Number(progress ?? 0) >= 3) break
    first.child.kill('SIGSTOP')
    const second = await startWorker()
    await second.until('started', task.name)
    first.child.kill('SIGCONT')
    t.equal(await task.finished, second.pid)
    t.equal((await first.until('aborted', task.name)).code, 'FST_ERR_TASK_HANDED_OVER')
    t.match(await kind.getTask(task.name), { status: 'completed', progress: 1000, worker: { pid: second.pid } })
  })
})
