// A generator object as work: what a call of a generator function returns. It has not begun, as a coroutine object has not.
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { TaskOptions } from '../../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'

t.beforeEach(holdProcess)

/** A report with arguments of its own. It notes in `steps` how far it got. */
async function * asynchronous (steps: string[], months: number) {
  steps.push('begun')
  try {
    for (let month = 1; month <= months; month++) {
      await immediate()
      yield { month }
    }
    return 'report'
  } finally {
    steps.push('cleaned up')
  }
}

function * computing (steps: string[], months: number) {
  steps.push('begun')
  try {
    for (let month = 1; month <= months; month++) yield { month }
    return 'report'
  } finally {
    steps.push('cleaned up')
  }
}

async function buildReadyApp (t: Test, options = {}) {
  const built = await buildApp(t, options)
  await built.app.ready()
  return built
}

/** A task of the work with the options, and what its generator has noted. */
type Add = (app: FastifyInstance, months: number, options?: TaskOptions) => { task: ReturnType<FastifyInstance['addTask']>, steps: string[] }

for (const [what, add] of Object.entries<Add>({
  'an async generator object': (app, months, options) => {
    const steps: string[] = []
    return { task: app.addTask(asynchronous(steps, months), options), steps }
  },
  'a generator object': (app, months, options) => {
    const steps: string[] = []
    return { task: app.addTask(computing(steps, months), options), steps }
  }
})) {
  t.test(`${what} runs to its end: its yields are the progress, its return value is the result`, async t => {
    const { app } = await buildReadyApp(t)
    const { task, steps } = add(app, 3)
    t.equal(task.status, 'running')
    t.strictSame(steps.slice(0, 1), ['begun'], 'before addTask returns')
    t.equal(await task.finished, 'report')
    t.strictSame(task.progress, { month: 3 })
    t.strictSame(steps, ['begun', 'cleaned up'])
  })

  t.test(`${what} has the kind that it is given, or none`, async t => {
    const { app } = await buildReadyApp(t)
    t.equal(add(app, 1).task.kind, undefined)
    t.equal(add(app, 1, { kind: 'buildReport' }).task.kind, 'buildReport')
    await app.tasks.idle()
  })

  t.test(`${what} that is added before ready begins when the app is ready`, async t => {
    const { app } = await buildApp(t)
    const { task, steps } = add(app, 1)
    await immediate()
    t.equal(task.status, 'deferred')
    t.strictSame(steps, [])
    await app.ready()
    t.equal(await task.finished, 'report')
  })

  t.test(`${what} begins after a reply`, async t => {
    const { app } = await buildApp(t)
    let result: ReturnType<Add>
    app.get('/', async (request, reply) => {
      result = add(app, 1, { after: reply })
      return { status: result.task.status, steps: result.steps }
    })
    t.strictSame((await app.inject('/')).json(), { status: 'deferred', steps: [] })
    t.equal(await result!.task.finished, 'report')
  })

  t.test(`${what} is cancelled at its next yield`, async t => {
    const { app } = await buildReadyApp(t)
    const { task, steps } = add(app, Infinity)
    await immediate()
    await task.cancel({ reason: 'enough' })
    t.match(task, { status: 'cancelled', error: { message: 'enough' } })
    t.strictSame(steps, ['begun', 'cleaned up'])
  })

  t.test(`${what} times out`, async t => {
    const { app } = await buildReadyApp(t)
    const { task, steps } = add(app, Infinity, { timeout: 5 })
    await t.rejects(task.finished, { code: 'FST_ERR_TASK_TIMEOUT' })
    t.strictSame(steps, ['begun', 'cleaned up'])
  })

  t.test(`${what} that is cancelled before it has begun never begins`, async t => {
    const { app } = await buildApp(t)
    const { task, steps } = add(app, 1)
    await task.cancel()
    await app.ready()
    t.equal(task.status, 'cancelled')
    t.strictSame(steps, [])
  })

  t.test(`${what} whose signal is aborted already never begins`, async t => {
    const { app } = await buildReadyApp(t)
    const { task, steps } = add(app, 1, { signal: AbortSignal.abort(new Error('gone')) })
    t.match(task, { status: 'cancelled', error: { message: 'gone' } })
    t.strictSame(steps, [])
  })

  t.test(`${what} that is refused never begins, and nothing is logged`, async t => {
    const { app, lines } = await buildReadyApp(t, { maxTasks: 1 })
    app.addTask(untilAborted, { name: 'taken' })
    const refused: string[][] = []
    const refuse = (options: TaskOptions, code: string) => {
      const note: string[] = []
      t.throws(() => app.addTask(what.includes('async') ? asynchronous(note, 1) : computing(note, 1), options), { code })
      refused.push(note)
    }
    refuse({ name: 'taken' }, 'FST_ERR_TASK_DUPLICATE_NAME')
    refuse({}, 'FST_ERR_TASK_LIMIT')
    refuse({ kind: '' }, 'FST_ERR_TASK_INVALID_OPTION')
    await app.close()
    refuse({}, 'FST_ERR_TASK_CLOSED')
    t.strictSame(refused, [[], [], [], []])
    t.strictSame(lines.filter(({ level }) => level >= 40), [])
  })

  t.test(`${what} that is not needed because of onDuplicate "keep" never begins`, async t => {
    const { app } = await buildReadyApp(t)
    const first = app.addTask(untilAborted, { name: 'kept' })
    const { task, steps } = add(app, 1, { name: 'kept', onDuplicate: 'keep' })
    t.equal(task, first)
    await immediate()
    t.strictSame(steps, [])
  })

  t.test(`${what} that drains ends before the app closes`, async t => {
    const { app } = await buildReadyApp(t, { drainTimeout: 60_000 })
    const { task } = add(app, 50, { drain: true })
    await app.close()
    t.equal(task.result, 'report')
  })

  t.test(`${what} that replaces a task begins after the old task was cancelled`, async t => {
    const { app } = await buildReadyApp(t)
    const first = app.addTask(untilAborted, { name: 'replaced' })
    const { task } = add(app, 1, { name: 'replaced', onDuplicate: 'replace' })
    t.equal(first.status, 'cancelling')
    t.equal(await task.finished, 'report')
  })
}

t.test('a generator object that has already ended completes with undefined', async t => {
  const { app } = await buildReadyApp(t)
  const generator = computing([], 0)
  generator.next()
  t.equal(await app.addTask(generator).finished, undefined)
})

t.test('a generator object has the arguments of the call that made it', async t => {
  const { app } = await buildReadyApp(t)
  async function * buildReport (app: FastifyInstance, months: number) {
    for (let done = 1; done <= months; done++) {
      await sleep(1)
      yield { done }
    }
    return `${months} months of Fastify ${app.version}`
  }
  t.equal(await app.addTask(buildReport(app, 2), { name: 'report' }).finished, `2 months of Fastify ${app.version}`)
})
