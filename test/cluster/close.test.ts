import { randomUUID } from 'node:crypto'
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { deaf, untilAborted } from '../core/fixtures/app.ts'
import tasks from '../../index.ts'
import { errors } from '../../lib/cluster/index.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine, onEveryServer, type Engine } from './fixtures/engines.ts'
import { buildApp, buildFleet, untilStatus, type Member } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a closing app lets its running tasks finish, for drainTimeout', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
      return 'result'
    }, { plugin: { drainTimeout: 5000 }, apps: 1 })
    const { finished } = await here.kind.addTask(1)
    await journal.until('started')
    const closing = here.app.close()
    gate.resolve()
    t.equal(await finished, 'result')
    await closing
  })

  t.test('the draining tasks of the core drain beside those of the fleet, not after them', async t => {
    const started = withResolvers() // the server says that a task runs before its process has begun
    const [here] = await buildFleet(t, engine, () => {
      started.resolve()
      return deaf()
    }, { plugin: { drainTimeout: 1500, cancelTimeout: 1500 }, core: { drainTimeout: 2900 }, apps: 1 })
    await here.kind.addTask(1, { name: 'deaf' })
    await started.promise
    const draining = here.app.addTask(async (_app, { signal }) => {
      while (!here.lines.some(({ msg }) => msg.startsWith('tasks have not stopped'))) await sleep(20)
      await sleep(2500, undefined, { signal }) // less than it would get from now on
    }, { drain: true })
    await here.app.close()
    t.equal(draining.status, 'cancelled')
  })

  t.test('a closing app takes no more tasks', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, async () => {
      journal.write('started')
      await gate.promise
    }, { plugin: { drainTimeout: 5000 }, apps: 1 })
    await here.kind.addTask(1)
    await journal.until('started')
    const closing = here.app.close()
    while (await here.kind.addTask(2, { onDuplicate: 'keep', name: 'more', delay: 60_000 }).then(() => true, () => false)) await immediate()
    await t.rejects(here.kind.addTask(2), { code: 'FST_ERR_TASK_CLOSED', statusCode: 503 })
    gate.resolve()
    await closing
    await t.rejects(here.kind.addTask(2), { code: 'FST_ERR_TASK_CLOSED' })
    await t.rejects(here.kind.addTasks([{ data: 2 }]), { code: 'FST_ERR_TASK_CLOSED' })
    await t.rejects(here.kind.scheduleTask('tick', { every: 1000 }), { code: 'FST_ERR_TASK_CLOSED' })
  })

  t.test('an app that was never ready closes', async t => {
    const { app } = await buildApp(t, engine)
    app.cluster.defineTask('never', () => {})
    await app.close()
  })

  t.test('tasks that do not stop are named in one warning', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, () => {
      journal.write('started')
      return deaf()
    }, { plugin: { drainTimeout: 50, cancelTimeout: 50 }, apps: 1 })
    await here.kind.addTasks([{ data: 1, name: 'deaf 1' }, { data: 2, name: 'deaf 2' }])
    await journal.until('started', 2)
    await here.app.close()
    const warnings = here.lines.filter(line => line.level === 40 && JSON.stringify(line).includes('deaf 1'))
    t.equal(warnings.length, 1)
    t.match(JSON.stringify(warnings[0]), /deaf 2/)
  })

  t.test('the warning about work that awaits app.close() says that it waits for itself', async t => {
    const closing = withResolvers()
    const [here] = await buildFleet(t, engine, async app => {
      closing.resolve()
      await app.close()
    }, { plugin: { drainTimeout: 0, cancelTimeout: 50 }, apps: 1 })
    await here.kind.addTask(1, { name: 'closer' })
    await closing.promise
    await here.app.close()
    const warnings = here.lines.filter(({ level }) => level === 40)
    t.match(warnings, [{ tasks: { length: 1 }, msg: /^tasks have not stopped.*"closer"\. A task that awaits app\.close\(\) waits for itself$/ }])
  })
})

t.test('local: the tasks end with their process', async t => {
  const engine: Engine = { name: 'local', connection: undefined }

  t.test('tasks that do not finish within drainTimeout are cancelled, and tasks that wait never run', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, (app, task) => {
      journal.write(`started ${task.data}`)
      return untilAborted(app, task)
    }, { concurrency: 1, attempts: 3, plugin: { drainTimeout: 50 } })
    const running = await here.kind.addTask('running')
    await journal.until('started running')
    const waiting = await here.kind.addTask('waiting')
    const delayed = await here.kind.addTask('delayed', { delay: 60_000 })
    const all = [running, waiting, delayed].map(task => task.finished.catch(error => error))
    await here.app.close()
    for (const error of await Promise.all(all)) t.match(error, { name: 'AbortError', message: /closing/ })
    t.strictSame(journal.lines, ['started running'])
    const said = here.lines.filter(({ msg }) => msg.startsWith('tasks '))
    t.match(said, [{ level: 30, tasks: { length: 3 }, msg: /^tasks cancelled, as they end with this process: .*, .*, .*$/ }])
  })

  t.test('the line that names the cancelled tasks stays short', async t => {
    const [here] = await buildFleet(t, engine, () => {})
    await here.kind.addTasks(Array.from({ length: 25 }, (_, i) => ({ name: `task ${i}`, data: i, delay: 60_000 })))
    await here.app.close()
    const [said] = here.lines.filter(({ msg }) => msg.startsWith('tasks cancelled'))
    t.match(said, { tasks: { length: 25 }, msg: /"task 19" and 5 more$/ })
  })

  t.test('schedules end, too', async t => {
    const [here] = await buildFleet(t, engine, () => {})
    await here.kind.scheduleTask('tick', { every: 100 })
    await here.app.close()
  })
})

onEveryServer(t, (t, engine) => {
  t.test('a task that does not finish in time is handed over, its attempt not counted, its progress kept', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      const { progress } = task
      journal.write('started')
      if (progress !== undefined) return { attempt: task.attempt, progress }
      task.progress = { done: 1 }
      try {
        return await untilAborted(app, task)
      } finally {
        task.progress = { done: 2 }
        journal.write(`cleaned up after ${task.signal.reason.code}`)
        t.ok(task.signal.reason instanceof errors.FST_ERR_TASK_HANDED_OVER)
      }
    }, { plugin: { drainTimeout: 50 } })
    await there.kind.pause()
    await there.kind.resume()
    const task = await there.kind.addTask(1, { name: 'handed over' })
    await journal.until('started')
    const runs = await ownerOf(here, there)
    await runs.owner.app.close()
    const handle = await runs.other.kind.getTask('handed over')
    t.strictSame(await handle.finished, { attempt: 1, progress: { done: 2 } })
    t.equal((await runs.other.kind.getTask('handed over')).attempt, 1)
    t.strictSame(journal.lines, ['started', 'cleaned up after FST_ERR_TASK_HANDED_OVER', 'started'])
    const said = runs.owner.lines.filter(({ msg }) => msg.startsWith('tasks '))
    t.match(said, [{ level: 30, msg: `tasks handed over to other processes: ${runs.owner.kind.name} "handed over"` }])
    t.equal(said.length, 1)
    if (runs.other === there) t.strictSame(await task.finished, { attempt: 1, progress: { done: 2 } })
    t.equal(runs.owner.lines.some(line => line.level >= 40), false, 'which is no failure')
  })

  t.test('waiting, delayed and scheduled tasks are run by another app', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, task) => { journal.write(`${task.data}`) })
    await here.kind.pause()
    await here.kind.addTask('waiting')
    await here.kind.addTask('delayed', { delay: 200 })
    await here.kind.scheduleTask('tick', { every: 500 }, 'scheduled')
    await here.app.close()
    await there.kind.resume()
    await Promise.all(['waiting', 'delayed', 'scheduled'].map(line => journal.until(line)))
    await there.kind.unscheduleTask('tick')
  })

  t.test('a task that is handed over starts before those that wait', async t => {
    const journal = new Journal()
    let first = true
    const work = async (app: unknown, task: any) => {
      journal.write(`started ${task.data}`)
      if (first) {
        first = false
        await untilAborted(app, task)
      }
    }
    const [here, there] = await buildFleet(t, engine, work, { concurrency: 1, plugin: { drainTimeout: 50 } })
    await here.kind.addTask('handed over')
    await journal.until('started handed over')
    const { owner, other } = await ownerOf(here, there)
    await other.kind.pause()
    await other.kind.addTask('waiting')
    await owner.app.close()
    await other.kind.resume()
    await other.kind.idle()
    t.strictSame(journal.lines, ['started handed over', 'started handed over', 'started waiting'])
  })

  t.test('work that ignores its abort at close and returns is completed', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      await untilAborted(app, task).catch(() => {})
      return 'all the same'
    }, { plugin: { drainTimeout: 50 } })
    await here.kind.addTask(1, { name: 'stubborn' })
    await journal.until('started')
    const { owner, other } = await ownerOf(here, there)
    await owner.app.close()
    const task = await other.kind.getTask('stubborn')
    t.equal(await task.finished, 'all the same')
    t.equal(journal.lines.length, 1)
  })

  t.test('a task that was cancelled when its app closes is cancelled, not handed over', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      journal.write('started')
      try {
        await untilAborted(app, task)
      } finally {
        await gate.promise
      }
    }, { plugin: { drainTimeout: 50 } })
    await here.kind.addTask(1, { name: 'cancelled' })
    await journal.until('started')
    const { owner, other } = await ownerOf(here, there)
    const cancelled = other.kind.cancelTask('cancelled', { timeout: 20_000 })
    await untilStatus(other.kind, 'cancelled', 'cancelling')
    const closing = owner.app.close()
    gate.resolve()
    await Promise.all([closing, cancelled])
    t.equal((await other.kind.getTask('cancelled')).status, 'cancelled')
    t.equal(journal.lines.length, 1)
  })

  t.test('finished rejects at close for a task that goes on in another app', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const task = await here.kind.addTask(1, { name: 'waiting' })
    const { finished } = task
    await here.app.close()
    await t.rejects(finished, { name: 'AbortError', message: /the app is closing/ })
    t.equal((await there.kind.getTask('waiting')).status, 'deferred')
  })

  t.test('verbs that are under way when an app closes are done, and idle() rejects with an AbortError', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await there.kind.addTask(1, { name: 'waiting' })
    const adds = Promise.allSettled(Array.from({ length: 3 }, (_, i) => here.kind.addTask(i, { name: `under way ${i}` })))
    const idles = Promise.allSettled(Array.from({ length: 20 }, () => here.kind.idle()))
    await here.app.close()
    t.strictSame((await adds).filter(({ status }) => status === 'rejected'), [])
    t.equal((await there.kind.tasks({ name: 'under way' })).length, 3)
    for (const idle of await idles) t.match(idle, { status: 'rejected', reason: { name: 'AbortError', message: /the app is closing/ } })
  })

  t.test('a kind that was defined where fastify-tasks is registered once more hands its tasks over, too', async t => {
    const name = `kind-${randomUUID()}`
    const { app, lines } = await buildApp(t, engine, { drainTimeout: 50 })
    const started = withResolvers()
    await app.register(async app => {
      await app.register(tasks)
      app.cluster.defineTask(name, async (...args) => {
        started.resolve()
        await untilAborted(...args)
      }, { concurrency: 1 })
    })
    const { app: other } = await buildApp(t, engine, { work: false })
    const kind = other.cluster.defineTask<any, any>(name, () => {}) as Member['kind']
    await Promise.all([app.ready(), other.ready()])
    await kind.addTask(1, { name: 'task 1' })
    await started.promise
    await kind.addTasks([{ data: 2 }, { data: 3 }])
    await app.close()
    t.strictSame(await kind.count(), { deferred: 3, running: 0, completed: 0, failed: 0 })
    t.match(lines.filter(({ msg }) => msg.startsWith('tasks ')), [{ msg: `tasks handed over to other processes: ${name} "task 1"` }])
  })

  t.test('a task that does not stop is taken over by another app after stallTimeout', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {
      journal.write('started')
      if (journal.lines.length === 1) return deaf()
      return 'taken over'
    }, { maxStalls: 100, plugin: { drainTimeout: 50, cancelTimeout: 50, stallTimeout: 1000 } })
    await here.kind.addTask(1, { name: 'deaf' })
    await journal.until('started')
    const { owner, other } = await ownerOf(here, there)
    await owner.app.close()
    t.equal(await (await other.kind.getTask('deaf')).finished, 'taken over')
  })
})

/** Returns the member that runs the task: the one that has logged its start. */
async function ownerOf<Member extends { lines: { msg: string }[] }> (here: Member, there: Member) {
  const runs = ({ lines }: Member) => lines.some(line => line.msg === 'task started')
  return runs(here) ? { owner: here, other: there } : { owner: there, other: here }
}
