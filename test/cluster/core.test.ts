import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import t from 'tap'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  t.test('a task of the cluster is logged as one of the core', async t => {
    const [here] = await buildFleet(t, engine, (_app, { data }) => {
      if (data === 'fail') throw new Error('as told')
    }, { apps: 1 })
    await (await here.kind.addTask(1, { name: 'good' })).finished
    await (await here.kind.addTask('fail', { name: 'bad' })).finished.catch(() => {})
    const told = (name: string) => here.lines.filter(line => line.task === name).map(line => [line.level, line.msg])
    t.strictSame(told('good'), [[20, 'task started'], [20, 'task completed']])
    t.match(told('bad'), [[20, 'task started'], [50, 'task failed']])
    t.match(here.lines.find(line => line.level === 50), { err: { message: 'as told' } })
  })

  t.test('the log of a run tells which attempt it is, where there may be more than one', async t => {
    const [here] = await buildFleet(t, engine, (_app, { log, attempt }) => {
      log.info('working')
      if (attempt === 1) throw new Error('once')
    }, { attempts: 3, apps: 1 })
    await (await here.kind.addTask(1, { name: 'retried' })).finished
    const [kind, task, maxAttempts] = [here.kind.name, 'retried', 3]
    t.strictSame(here.lines.filter(line => line.task === task).map(({ msg, kind, task, attempt, maxAttempts }: any) => ({ msg, kind, task, attempt, maxAttempts })), [
      { msg: 'task started', kind, task, attempt: 1, maxAttempts },
      { msg: 'working', kind, task, attempt: 1, maxAttempts },
      { msg: 'task failed', kind, task, attempt: 1, maxAttempts },
      { msg: 'task started', kind, task, attempt: 2, maxAttempts },
      { msg: 'working', kind, task, attempt: 2, maxAttempts },
      { msg: 'task completed', kind, task, attempt: 2, maxAttempts }
    ])
    const [once] = await buildFleet(t, engine, () => {}, { apps: 1 })
    await (await once.kind.addTask(1, { name: 'once' })).finished
    for (const line of once.lines.filter(({ task }) => task === 'once')) t.notOk('attempt' in line)
  })

  t.test('onError of the core is called for a task that failed', async t => {
    const told: unknown[] = []
    const [here] = await buildFleet(t, engine, () => { throw new Error('as told') }, {
      apps: 1,
      core: { onError (error: any, task) { told.push([error.message, task.name]) } }
    })
    await (await here.kind.addTask(1, { name: 'bad' })).finished.catch(() => {})
    t.strictSame(told, [['as told', 'bad']])
  })

  t.test('the tracing channel of the core publishes it', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { apps: 1 })
    const told: unknown[] = []
    const listener = ({ task }: any) => { if (task.kind === here.kind.name) told.push(task.name) }
    subscribe('tracing:fastify-tasks.task:start', listener)
    t.teardown(() => unsubscribe('tracing:fastify-tasks.task:start', listener))
    await (await here.kind.addTask(1, { name: 'traced' })).finished
    t.strictSame(told, ['traced'])
  })

  t.test('app.tasks does not list it', async t => {
    let size
    const [here] = await buildFleet(t, engine, app => { size = app.tasks.size }, { apps: 1 })
    await (await here.kind.addTask(1)).finished
    t.equal(size, 0)
    t.equal(here.app.tasks.size, 0)
  })

  t.test('runs do not count for maxTasks of the core', async t => {
    const [here] = await buildFleet(t, engine, () => new Promise(resolve => setImmediate(resolve)), { apps: 1, core: { maxTasks: 1 }, concurrency: 5 })
    const added = await Promise.all(Array.from({ length: 5 }, () => here.kind.addTask(1)))
    const own = here.app.addTask(() => 'done')
    await Promise.all(added.map(task => task.finished))
    t.equal(own.status, 'completed')
    t.throws(() => {
      here.app.addTask(() => new Promise<void>(resolve => setImmediate(resolve)))
      here.app.addTask(() => 'too many')
    }, { code: 'FST_ERR_TASK_LIMIT' }, 'which limits the tasks of the app')
  })
})
