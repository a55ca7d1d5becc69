import { once } from 'node:events'
import t from 'tap'
import type { ClusterOptions, KindOptions } from '../../lib/cluster/index.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

onEveryServer(t, (t, engine) => {
  let prefixes = 0

  /** An app that adds and watches, and a function that starts processes that work. */
  async function buildFleet (t: Parameters<typeof buildApp>[0], kindOptions: KindOptions = {}) {
    const options: ClusterOptions = { connection: engine.connection, prefix: `processes${++prefixes}`, stallTimeout: 4000, drainTimeout: 200, cancelTimeout: 20_000 }
    const { app } = await buildApp(t, engine, { ...options, work: false })
    const kind = app.cluster.defineTask<any, unknown, any>('work', () => {}, kindOptions)
    await app.ready()

    const startWorker = () => WorkerProcess.start(t, options, kindOptions)
    return { kind, startWorker }
  }

  t.test('a task whose process is killed runs again elsewhere, its attempt not counted, with its progress', async t => {
    const { kind, startWorker } = await buildFleet(t)
    const first = await startWorker()
    const task = await kind.addTask('wait', { name: 'killed' })
    await first.until('started', 'killed')
    for await (const { progress } of (await kind.getTask('killed')).watch()) if (progress === 1) break
    first.child.kill('SIGKILL')
    await first.exit
    const second = await startWorker()
    t.match(await second.until('started', 'killed'), { attempt: 1, progress: 1 })
    t.match(await task.finished, { pid: second.child.pid, attempt: 1, progress: 2 })
    t.match(await kind.getTask('killed'), { status: 'completed', worker: { pid: second.child.pid } })
    await second.untilLogged(40, /taken over/)
    const msg = new RegExp(`^task "killed" of kind "work" is taken over: its process \\S+:${first.pid} has vanished or stood still \\(1 of 2 takeovers\\)$`)
    t.match(second.linesOf(/taken over/), [{ level: 40, kind: 'work', task: 'killed', worker: { pid: first.pid }, msg }])
  })

  t.test('a task that is cancelled when its process is killed never runs again', async t => {
    const { kind, startWorker } = await buildFleet(t)
    const first = await startWorker()
    const task = await kind.addTask('block', { name: 'killed' })
    await first.until('started', 'killed')
    await t.rejects(kind.cancelTask('killed', { timeout: 50 }), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT' })
    first.child.kill('SIGKILL')
    await first.exit
    const second = await startWorker()
    await t.rejects(task.finished, { name: 'AbortError' })
    t.equal((await kind.getTask('killed')).status, 'cancelled')
    t.equal(second.told.some(({ what }) => what === 'started'), false)
  })

  t.test('a task that kills every process that runs it fails as stalled', async t => {
    const { kind, startWorker } = await buildFleet(t, { maxStalls: 1 })
    const task = await kind.addTask('die', { name: 'deadly' })
    for (let i = 0; i < 2; i++) {
      const worker = await startWorker()
      await worker.until('started', 'deadly')
      await worker.exit
    }
    const last = await startWorker()
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_STALLED' })
    t.equal((await kind.getTask('deadly')).status, 'failed')
    t.equal(last.told.some(({ what }) => what === 'started'), false)
    t.match(last.linesOf(/^task failed$/), [{ level: 50, kind: 'work', task: 'deadly', err: { code: 'FST_ERR_TASK_STALLED' } }])
    t.strictSame(last.linesOf(/taken over/), [])
    t.match(last.told.filter(({ what }) => what === 'onError'), [{ task: 'deadly', code: 'FST_ERR_TASK_STALLED' }])
  })

  t.test('SIGTERM leaves running, waiting, delayed and scheduled tasks to others, and the process exits in time', async t => {
    const { kind, startWorker } = await buildFleet(t, { concurrency: 1 })
    const first = await startWorker()
    const running = await kind.addTask('wait', { name: 'running' })
    await first.until('started', 'running')
    const waiting = await kind.addTask('quick', { name: 'waiting' })
    const delayed = await kind.addTask('quick', { name: 'delayed', delay: 500 })
    await kind.scheduleTask('tick', { every: 1000 }, 'quick')
    const began = Date.now()
    first.child.kill('SIGTERM')
    t.strictSame(await first.exit, [0, null])
    t.ok(Date.now() - began < 30_000)
    t.equal((await kind.getTask('running')).status, 'deferred')
    const second = await startWorker()
    t.match(await running.finished, { pid: second.child.pid, attempt: 1, progress: 2 })
    t.equal(await waiting.finished, second.child.pid)
    t.equal(await delayed.finished, second.child.pid)
    for (let ran = false; !ran;) {
      await once(second.child, 'told')
      ran = second.told.some(({ what, task }) => what === 'started' && task!.startsWith('tick@'))
    }
    await kind.unscheduleTask('tick')
    t.equal(first.told.some(({ what }) => what.startsWith('unhandledRejection')), false)
  })

  t.test('a process that stands still for too long loses its task: its signal is aborted, and its late result is dropped', async t => {
    const { kind, startWorker } = await buildFleet(t)
    const workers = [await startWorker(), await startWorker()]
    const task = await kind.addTask('block', { name: 'blocked' })
    const blocked = await Promise.race(workers.map(async worker => {
      await worker.until('started', 'blocked')
      return worker
    }))
    await blocked.until('aborted', 'blocked')
    t.match(await task.finished, { attempt: 1, progress: 2 }, 'the result of another run')
    t.match((await kind.getTask('blocked')).result, { attempt: 1, progress: 2 })
    t.equal(workers.some(({ told }) => told.some(({ what }) => what.startsWith('unhandledRejection'))), false)
  })
})
