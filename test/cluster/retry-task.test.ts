import t from 'tap'
import { Journal } from './fixtures/journal.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet, untilStatus } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a failed task runs again under its name, with its data and its last progress, its attempts counted from 1', async t => {
    let mended = false
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      if (mended) return { data: task.data, progress: task.progress, attempt: task.attempt }
      task.progress = { done: 5 }
      throw new Error('disk full')
    }, { attempts: 2 })
    const task = await here.kind.addTask({ month: 5 }, { name: 'report' })
    await t.rejects(task.finished, { message: 'disk full' })
    t.equal(task.attempt, 2)
    mended = true

    const retried = await there.kind.retryTask('report')

    t.equal(retried.id, task.id)
    t.strictSame(await retried.finished, { data: { month: 5 }, progress: { done: 5 }, attempt: 1 })
    const found = await here.kind.getTask('report')
    t.match(found, { status: 'completed', attempt: 1, error: undefined })
    t.match(found.attempts, [{ attempt: 1, error: { message: 'disk full' } }, { attempt: 2, error: { message: 'disk full' } }, { attempt: 1, error: undefined }])
  })

  t.test('a completed task and one that was cancelled while it ran run again', async t => {
    const journal = new Journal()
    let block = false
    const [{ kind }] = await buildFleet(t, engine, async (_app, { name, signal }) => {
      journal.write(name)
      if (block) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      return 'ran'
    })
    const completed = await kind.addTask(1, { name: 'completed' })
    t.equal(await completed.finished, 'ran')
    t.equal(await (await completed.retry()).finished, 'ran')
    block = true
    const cancelled = await kind.addTask(1, { name: 'cancelled' })
    await journal.until('cancelled') // the server says that it runs before its process has begun
    await cancelled.cancel()
    t.equal(cancelled.status, 'cancelled')
    block = false
    t.equal(await (await cancelled.retry()).finished, 'ran')
    t.equal(cancelled.error, undefined)
    t.strictSame(journal.lines, ['completed', 'completed', 'cancelled', 'cancelled'])
  })

  t.test('a task that was cancelled before it started runs after a retry', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data)
    await kind.pause()
    const task = await kind.addTask('data', { name: 'paused' })
    await task.cancel()
    t.equal((await kind.getTask('paused')).status, 'cancelled')
    await task.retry()
    t.equal(task.status, 'deferred')
    await kind.resume()
    t.equal(await task.finished, 'data')
  })

  t.test('a task that was cancelled while it waited keeps its priority in a retry, whether a worker has ended it or not', async t => {
    const journal = new Journal()
    const [{ kind }] = await buildFleet(t, engine, (_app, { name }) => { journal.write(name) }, { concurrency: 1, apps: 1 })
    await kind.pause()
    const ended = await kind.addTask(1, { name: 'cancelled, ended by a worker', priority: 5 })
    await ended.cancel()
    await kind.resume()
    await (await kind.addTask(1, { name: 'before' })).finished
    await kind.pause()
    const waits = await kind.addTask(1, { name: 'cancelled, waits', priority: 5 })
    await waits.cancel()
    await kind.addTask(1, { name: 'urgent', priority: 2 })

    for (const task of [ended, waits]) await task.retry()

    t.strictSame((await kind.tasks({ status: 'deferred' })).map(({ name }) => name), ['urgent', ended.name, waits.name])
    await kind.resume()
    await kind.idle()
    t.strictSame(journal.lines, ['before', 'urgent', ended.name, waits.name])
  })

  t.test('a task without a priority that was cancelled while it waited goes behind the others in a retry', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await kind.pause()
    const task = await kind.addTask(1, { name: 'retried' })
    await task.cancel()
    await kind.addTask(1, { name: 'waits' })

    await task.retry()

    t.strictSame((await kind.tasks({ status: 'deferred' })).map(({ name }) => name), ['waits', 'retried'])
    await kind.resume()
    await kind.idle()
  })

  t.test('if twenty calls retry a task at once, one of them does', async t => {
    const journal = new Journal()
    let mended = false
    const [here, there] = await buildFleet(t, engine, (_app, { name }) => {
      journal.write(name)
      if (!mended) throw new Error('not yet')
      return 'ran'
    }, { plugin: { timeout: 120_000 } }) // they take turns
    const task = await here.kind.addTask(1, { name: 'once' })
    await t.rejects(task.finished)
    mended = true
    const handles = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? here : there).kind.getTask('once')))
    await here.kind.pause()
    const retried = await Promise.allSettled(handles.map(handle => handle.retry()))
    await here.kind.resume()
    t.equal(retried.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const result of retried) if (result.status === 'rejected') t.match(result.reason, { code: 'FST_ERR_TASK_DUPLICATE_NAME', statusCode: 409 })
    t.equal(await (await here.kind.getTask('once')).finished, 'ran')
    t.strictSame(journal.lines, ['once', 'once'])
  })

  t.test('a task that has not settled, or is unknown, or has lost its name is not retried', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => { throw new Error('failed') })
    await kind.pause()
    await kind.addTask(1, { name: 'waiting' })
    await t.rejects(kind.retryTask('waiting'), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    await t.rejects(kind.retryTask('unknown'), { code: 'FST_ERR_TASK_NOT_FOUND' })
    t.equal(await kind.retryTask('unknown', { optional: true }), undefined)
    await kind.resume()
    const first = await kind.getTask('waiting')
    await t.rejects(first.finished)
    await kind.pause()
    await kind.addTask(2, { name: 'waiting' })
    await t.rejects(first.retry(), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    await kind.resume()
    await kind.idle()
    const second = await kind.getTask('waiting')
    await kind.purgeTasks()
    await t.rejects(second.retry(), { code: 'FST_ERR_TASK_NOT_FOUND' })
  })

  t.test('a retry is cancelled like any task, and a cancellation of the try before does not reach it', async t => {
    let block = true
    const [here, there] = await buildFleet(t, engine, async (_app, { signal }) => {
      if (block) await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      return 'ran'
    })
    const task = await here.kind.addTask(1, { name: 'again' })
    await untilStatus(here.kind, 'again', 'running')
    await there.kind.cancelTask('again')
    await there.kind.retryTask('again')
    await untilStatus(here.kind, 'again', 'running')
    await there.kind.cancelTask('again', { reason: 'a second time' })
    t.match(await here.kind.getTask('again'), { status: 'cancelled', error: { message: 'a second time' } })
    block = false
    await task.refresh()
    t.equal(await (await task.retry()).finished, 'ran')
  })

  t.test('finished is the end of the last try, even if another handle has retried the task', async t => {
    let mended = false
    const [here, there] = await buildFleet(t, engine, () => {
      if (!mended) throw new Error('broken')
      return 'ran'
    })
    const task = await here.kind.addTask(1, { name: 'seen' })
    await t.rejects(task.finished, { message: 'broken' })
    mended = true
    await (await there.kind.retryTask('seen')).finished
    await task.refresh()
    t.equal(task.status, 'completed')
    t.equal(await task.finished, 'ran')
  })

  t.test('once the app closes, no task is retried', async t => {
    const [{ app, kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    const task = await kind.addTask(1, { name: 'closed' })
    await task.finished
    await app.close()
    await t.rejects(task.retry(), { code: 'FST_ERR_TASK_CLOSED' })
    await t.rejects(kind.retryTask('closed'), { code: 'FST_ERR_TASK_CLOSED' })
    await t.rejects(kind.retryTasks(), { code: 'FST_ERR_TASK_CLOSED' })
  })
})
