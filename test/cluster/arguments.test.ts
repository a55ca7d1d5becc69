import t from 'tap'
import { buildApp as buildCore } from '../core/fixtures/app.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

/** Values that are neither an object of options nor undefined. */
const noOptions = [null, 'x', 5, true, [], ['x'], () => {}, Symbol('x')]
const unknownOption = { nmae: 'x' }
/** Values that are neither a function nor undefined. */
const noFunction = [null, 'x', '', 5, 0, true, [], {}, Symbol('x')]
const noString = [undefined, null, 5, true, {}, ['x'], () => {}, Symbol('x')]

/** For each verb, the arguments that it refuses. Missing arguments are taken from a good call. */
const core: Record<string, unknown[][]> = {
  addTask: [...noOptions, unknownOption, { status: 'failed' }].map(options => [() => {}, options]),
  getTask: [...noOptions, unknownOption, { optional: 1 }].map(options => ['a', options]),
  cancelTask: [...noOptions, unknownOption, { optional: 1 }, { reason: 5 }, { timeout: -1 }].map(options => ['a', options]),
  purgeTasks: noFunction.map(which => [which])
}

const fleet: Record<string, unknown[][]> = {
  addTask: [
    ...[...noOptions, unknownOption, { onDuplicate: 'x' }, { delay: -1 }, { priority: 0 }, { name: '' }, { limit: 2 }, { limit: { key: 'a' } }, { limit: { key: 'a', max: 0 } }].map(options => [1, options]),
    // those of the core that a fleet cannot keep
    ...['after', 'data', 'drain', 'kind', 'log', 'register', 'signal', 'timeout'].map(option => [1, { [option]: 1 }])
  ],
  addTasks: [undefined, null, 'x', 5, {}, () => {}, ['x'], [null], [[]], [unknownOption], [{ data: 1, onDuplicate: 'keep' }], [{ data: 1, limit: { key: 'a', max: 1 } }]].map(tasks => [tasks]),
  getTask: [...noString.map(name => [name]), ...[...noOptions, unknownOption, { optional: 1 }].map(options => ['a', options])],
  cancelTask: [...noString.map(name => [name]), ...[...noOptions, unknownOption, { reason: 5 }, { timeout: -1 }].map(options => ['a', options])],
  retryTask: [...noString.map(name => [name]), ...[...noOptions, unknownOption, { optional: 1 }].map(options => ['a', options])],
  promoteTask: [...noString.map(name => [name]), ...[...noOptions, unknownOption, { optional: 1 }].map(options => ['a', options])],
  cancelTasks: [...noOptions, unknownOption, { status: 'failed' }, { status: null }, { limit: -1 }, { reason: 5 }, { timeout: -1 }, { which: 'x' }].map(options => [options]),
  retryTasks: [...noOptions, unknownOption, { status: 'running' }, { limit: 1.5 }, { which: {} }].map(options => [options]),
  purgeTasks: [...noOptions.filter(which => typeof which !== 'function'), unknownOption, { status: 'running' }, { olderThan: -1 }, { name: 5 }, { which: 5 }].map(which => [which]),
  tasks: [...noOptions, unknownOption, { status: 'x' }, { offset: -1 }, { limit: '5' }, { name: 5 }].map(options => [options]),
  scheduleTask: [
    ...[...noString, ''].map(name => [name, { every: 1000 }]),
    ...[undefined, ...noOptions, unknownOption, { every: 0 }, { every: 1000, cron: '* * * * *' }, { cron: 'x' }].map(when => ['a', when]),
    ...[...noOptions, unknownOption, { delay: 5 }, { priority: 0 }].map(options => ['a', { every: 1000 }, 1, options])
  ],
  unscheduleTask: [...noString.map(name => [name]), ...[...noOptions, unknownOption, { optional: 1 }].map(options => ['a', options])],
  ...Object.fromEntries(['count', 'history', 'latency', 'workers', 'schedules', 'pause', 'resume', 'isPaused', 'idle'].map(verb => {
    return [verb, [null, 'x', 5, false, {}, [], unknownOption, { status: 'failed' }, () => true].map(given => [given])]
  }))
}

const task: Record<string, unknown[][]> = {
  cancel: [...noOptions, unknownOption, { optional: true }, { reason: 5 }, { timeout: -1 }].map(options => [options]),
  watch: [...noOptions, unknownOption, { signal: 5 }].map(options => [options]),
  ...Object.fromEntries(['refresh', 'retry'].map(verb => [verb, [null, 'x', {}, unknownOption].map(given => [given])]))
}

/** The calls that are not refused. */
async function taken (target: any, verbs: Record<string, unknown[][]>): Promise<string[]> {
  const taken = []
  for (const [verb, calls] of Object.entries(verbs)) {
    for (const args of calls) {
      const code = await Promise.resolve().then(() => target[verb](...args)).then(() => undefined, error => error.code)
      if (code !== 'FST_ERR_TASK_INVALID_OPTION') taken.push(`${verb}(${args.map(arg => typeof arg === 'object' ? JSON.stringify(arg) : String(arg))}): ${code}`)
    }
  }
  return taken
}

t.test('the core refuses arguments that it would ignore', async t => {
  const { app } = await buildCore(t)
  await app.ready()
  const { finished } = app.addTask(() => {}, { name: 'a' })
  await finished
  t.strictSame(await taken(app, core), [])
  const { cancel, watch } = task
  t.strictSame(await taken(app.getTask('a'), { cancel: cancel!, watch: watch! }), [])
  // The types refuse these functions, so it is JavaScript that passes them.
  t.throws(() => app.purgeTasks((async () => { throw new Error('which') }) as any), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  t.throws(() => app.purgeTasks((async () => false) as any), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /received a promise/ })
  t.equal(app.getTask('a').status, 'completed')
})

onEveryEngine(t, (t, engine) => {
  t.test('a kind refuses arguments that it would ignore', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { apps: 1 })
    const settled = await kind.addTask(1, { name: 'a' })
    await settled.finished
    t.strictSame(await taken(kind, fleet), [])
    t.strictSame(await taken(settled, task), [])
    const verbs = Object.getOwnPropertyNames(Object.getPrototypeOf(kind)).filter(name => name !== 'constructor' && name !== 'name')
    t.strictSame(verbs.sort(), Object.keys(fleet).sort(), 'every verb is in the table')
    await t.rejects(kind.purgeTasks((async () => false) as any), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /received a promise/ })
    t.equal((await kind.getTask('a')).status, 'completed', 'nothing has happened')
    t.strictSame(await kind.count(), { ...await kind.count(), deferred: 0, running: 0, completed: 1 })
    t.strictSame(await kind.schedules(), [])
    t.equal(await kind.isPaused(), false)
  })

  t.test('the verbs of a kind work without it', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data, { apps: 1 })
    const { addTask, getTask, tasks, count, isPaused } = kind
    t.equal(await (await addTask(5, { name: 'a' })).finished, 5)
    t.match(await getTask('a'), { name: 'a', status: 'completed' })
    t.match(await tasks(), { length: 1 })
    t.match(await count(), { completed: 1 })
    t.equal(await isPaused(), false)
  })

  t.test('purgeTasks calls its function for every settled task, a page at a time', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => {
      if (data % 2 === 1) throw new Error('odd')
    }, { apps: 1 })
    const all = 410 // more than two pages
    await kind.addTasks(Array.from({ length: all }, (_, i) => ({ name: `task ${i}`, data: i })))
    await kind.idle()
    const asked = new Set<string>()
    const purged = await kind.purgeTasks(({ name, data }) => {
      asked.add(name)
      return data % 4 < 2
    })
    t.equal(asked.size, all)
    t.equal(purged, 206)
    const left = await kind.tasks({ limit: all })
    t.equal(left.length, all - purged)
    t.equal(left.every(({ data }) => data % 4 >= 2), true)
  })
})
