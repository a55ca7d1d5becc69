import t, { type Test } from 'tap'
import type { ClusterOptions, KindOptions } from '../../lib/cluster/index.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

onEveryServer(t, (t, engine) => {
  let prefixes = 0

  async function buildFleet (t: Test, kindOptions: KindOptions = {}, plugin: Omit<ClusterOptions, 'prefix'> = {}) {
    const options = { connection: engine.connection!, prefix: `faults-worker${process.pid}-${++prefixes}`, stallTimeout: 4000, drainTimeout: 100, cancelTimeout: 20_000, ...plugin }
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {}, kindOptions)
    await app.ready()
    return { kind, startWorker: (own: KindOptions = {}) => WorkerProcess.start(t, options, { ...kindOptions, ...own }) }
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

  t.test('a process that takes over its own task keeps the new lock when the old run ends, and can cancel the new run', async t => {
    const { kind, startWorker } = await buildFleet(t, {}, { stallTimeout: 8000 })
    const busy = await startWorker({ concurrency: 1 })
    const occupied = await kind.addTask('wait', { name: 'occupied' })
    await busy.until('started', 'occupied')
    const stopped = await startWorker({ concurrency: 2 })
    for (const name of ['goes on', 'is cancelled']) {
      const task = await kind.addTask('twice', { name })
      for await (const { progress } of task.watch()) if (progress === 1) break
      stopped.child.kill('SIGSTOP')
      await busy.untilLogged(40, new RegExp(`"${name}" of kind "work" is taken over`))
      stopped.child.kill('SIGCONT')
      t.equal((await stopped.until('aborted', name)).code, 'FST_ERR_TASK_HANDED_OVER')
      await stopped.until('first run ended', name)
      if (name === 'goes on') t.strictSame(await task.finished, { pid: stopped.pid, attempt: 1, progress: 100 })
      else await task.cancel({ reason: 'no longer wanted', timeout: 30_000 })
    }
    t.match(await kind.getTask('is cancelled'), { status: 'cancelled', error: { message: 'no longer wanted' } })
    const takeovers = [busy, stopped].flatMap(worker => worker.linesOf(/"(goes on|is cancelled)" .*is taken over/))
    t.equal(takeovers.length, 2, takeovers.map(({ msg }) => msg).join())
    await occupied.cancel({ timeout: 30_000 })
    for (const worker of [busy, stopped]) t.strictSame(worker.complaints, [])
  })

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
