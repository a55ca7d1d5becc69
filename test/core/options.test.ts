import Fastify, { type FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import tasks, { errors, type FastifyTasksOptions, type TaskOptions } from '../../index.ts'
import { buildApp, untilAborted } from './fixtures/app.ts'

interface Option {
  takes: string
  bad: unknown[]
  good: unknown[]
}

const delay: Option = {
  takes: 'a number of milliseconds from 0 to 2147483647, or Infinity',
  bad: [NaN, -1, -Infinity, '5', null, 2 ** 31, {}, [], true, 5n, Symbol('5'), () => 5, new Date(5)],
  good: [undefined, 0, 1.5, 2_147_483_647, Infinity]
}
const count: Option = {
  takes: 'a whole number from 0, or Infinity',
  bad: [NaN, -1, -Infinity, '5', 1.5, null, {}, [], true, 5n],
  good: [undefined, 0, 5, 2 ** 31, Infinity]
}
const flag: Option = {
  takes: 'true or false',
  bad: [null, 0, 1, '', 'true', {}, NaN],
  good: [undefined, true, false]
}

const pluginOptions: Record<keyof FastifyTasksOptions, Option> = {
  cancelTimeout: delay,
  drainTimeout: delay,
  maxTasks: count,
  maxSettled: count,
  maxSettledAge: delay,
  onError: {
    takes: 'a function',
    bad: [null, true, 'log', {}, 5],
    good: [undefined, () => {}, async () => {}]
  },
  onPurged: {
    takes: 'a function',
    bad: [null, true, 'log', {}, 5],
    good: [undefined, () => {}, async () => {}]
  }
}

const taskOptions: Record<keyof TaskOptions, Option> = {
  name: {
    takes: 'a non-empty string',
    bad: ['', null, 5, true, {}, ['name'], Symbol('name'), Object('name')],
    good: [undefined, 'report', ' ', '__proto__']
  },
  kind: {
    takes: 'a non-empty string',
    bad: ['', null, 5, true, {}, Symbol('kind')],
    good: [undefined, 'report', '__proto__']
  },
  data: {
    takes: 'any value',
    bad: [],
    good: [undefined, null, 0, '', {}, Symbol('data'), () => {}]
  },
  onDuplicate: {
    takes: '"reject", "replace" or "keep"',
    bad: [null, '', 'Replace', 'ignore', true, 0, {}, ['keep']],
    good: [undefined, 'reject', 'replace', 'keep']
  },
  register: flag,
  maxSettledAge: delay,
  limit: {
    takes: 'an object with a "key", a non-empty string, and a "max", a whole number above 0 or Infinity, and nothing else',
    bad: [null, 2, 'user:ada', {}, [], { key: 'a' }, { max: 1 }, { key: '', max: 1 }, { key: 5, max: 1 }, { key: 'a', max: 0 }, { key: 'a', max: 1.5 }, { key: 'a', max: '1' }, { key: 'a', max: 1, duration: 5 }],
    good: [undefined, { key: 'a', max: 1 }, { key: '__proto__', max: Infinity }]
  },
  signal: {
    takes: 'an AbortSignal',
    bad: [null, {}, true, 5, 'signal', new AbortController(), { aborted: false }, new EventTarget(), { aborted: false, addEventListener () {} }],
    good: [undefined, new AbortController().signal, AbortSignal.abort(), AbortSignal.timeout(1e6)]
  },
  timeout: {
    takes: 'a number of milliseconds above 0 and up to 2147483647, or Infinity',
    bad: [...delay.bad, 0, -0],
    good: [undefined, Number.MIN_VALUE, 1.5, 2_147_483_647, Infinity]
  },
  after: {
    takes: 'a reply',
    bad: [null, {}, true, 'reply', { raw: {} }, Fastify()],
    good: [undefined]
  },
  drain: flag,
  log: {
    takes: 'a logger',
    bad: [null, {}, true, 'info', () => {}, console, { child () {} }],
    good: [undefined, Fastify().log, Fastify({ logger: { level: 'silent' } }).log]
  }
}

const cancelOptions: Record<'reason' | 'timeout', Option> = {
  reason: {
    takes: 'an Error or a string',
    bad: [null, 5, 0, true, {}, { message: 'not needed' }, Symbol('reason'), new Date()],
    good: [undefined, '', 'not needed', new Error('not needed'), new TypeError('not needed'), new DOMException('not needed')]
  },
  timeout: delay
}

/** Whether an error tells what option of whom is wrong, and what would be right. */
function checkError (t: Test, error: any, option: string, owner: string, takes: string) {
  t.ok(error instanceof errors.FST_ERR_TASK_INVALID_OPTION)
  t.ok(error instanceof TypeError)
  t.equal(error.code, 'FST_ERR_TASK_INVALID_OPTION')
  t.equal(error.statusCode, 500)
  for (const part of [`"${option}"`, owner, takes]) t.ok(error.message.includes(part), `${error.message}: ${part}`)
}

/** What a function throws or rejects with. */
async function errorOf (fn: () => unknown): Promise<unknown> {
  try {
    await fn()
  } catch (error) {
    return error
  }
  return undefined
}

for (const [option, { takes, bad, good }] of Object.entries(pluginOptions)) {
  t.test(`a bad ${option} of the plugin rejects its registration`, async t => {
    for (const value of bad) {
      const app = Fastify()
      const error = await errorOf(async () => app.register(tasks, { [option]: value }))
      checkError(t, error, option, 'fastify-tasks', takes)
      t.equal(app.hasDecorator('addTask'), false)
      await app.close()
    }
  })

  t.test(`a good ${option} of the plugin is accepted`, async t => {
    for (const value of good) {
      const app = Fastify()
      await app.register(tasks, { [option]: value })
      await app.ready()
      t.equal(app.tasks.size, 0)
      await app.close()
    }
  })
}

t.test('a bad option of the plugin keeps the app from being ready', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(tasks, { cancelTimeout: -1 })
  await t.rejects(async () => app.ready(), { code: 'FST_ERR_TASK_INVALID_OPTION' })
})

t.test('the message says which value was received', async t => {
  const { app } = await buildApp(t)
  t.throws(() => app.addTask(() => {}, { timeout: '5' as any }), { message: /received '5'/ })
  t.throws(() => app.addTask(() => {}, { timeout: NaN }), { message: /received NaN/ })
  t.throws(() => app.addTask(() => {}, { timeout: null as any }), { message: /received null/ })
})

t.test('options that are Fastify\'s own are accepted', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(tasks, { prefix: '/tasks', logLevel: 'warn', logSerializers: {} } as FastifyTasksOptions)
  t.equal(app.hasDecorator('addTask'), true)
})

for (const [option, { takes, bad, good }] of Object.entries(taskOptions)) {
  t.test(`a bad ${option} of a task is refused, and the work does not run`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    let ran = false
    const work = () => { ran = true }
    for (const value of bad) {
      const unnamed = await errorOf(() => { app.addTask(work, { [option]: value }) })
      checkError(t, unnamed, option, 'unnamed task', takes)
      if (option === 'name') continue
      const named = await errorOf(() => { app.addTask(work, { name: 'report', [option]: value }) })
      checkError(t, named, option, 'task "report"', takes)
    }
    t.equal(ran, false)
    t.equal(app.tasks.size, 0)
    t.equal(app.getTask('report', { optional: true }), undefined)
  })

  t.test(`a good ${option} of a task is accepted`, async t => {
    const { app } = await buildApp(t)
    for (const value of good) {
      const task = app.addTask(untilAborted, { [option]: value })
      t.match(task.status, /^(deferred|cancelled)$/)
      await task.cancel()
    }
  })
}

t.test('the option after accepts a reply', async t => {
  const { app } = await buildApp(t)
  app.get('/', async (_request, reply: FastifyReply) => app.addTask(() => {}, { after: reply }))
  const response = await app.inject('/')
  t.equal(response.statusCode, 200)
  t.equal(response.json().status, 'deferred')
})

t.test('a bad option of a promise is refused, too', async t => {
  const { app } = await buildApp(t)
  t.throws(() => app.addTask(Promise.resolve(), { timeout: -1 }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
  t.equal(app.tasks.size, 0)
})

for (const [option, { takes, bad, good }] of Object.entries(cancelOptions)) {
  t.test(`a bad ${option} of a cancel is refused, and the task runs on`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const unnamed = app.addTask(untilAborted)
    const named = app.addTask(untilAborted, { name: 'report' })
    for (const value of bad) {
      checkError(t, await errorOf(() => unnamed.cancel({ [option]: value })), option, `task ${unnamed.id}`, takes)
      checkError(t, await errorOf(() => named.cancel({ [option]: value })), option, 'task "report"', takes)
      checkError(t, await errorOf(() => app.cancelTask('report', { [option]: value })), option, 'task "report"', takes)
    }
    t.equal(unnamed.status, 'running')
    t.equal(named.status, 'running')
  })

  t.test(`a good ${option} of a cancel is accepted`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    for (const value of good) {
      const task = app.addTask(untilAborted)
      // A timeout of 0 may be over before the work has ended.
      await errorOf(() => task.cancel({ [option]: value }))
      await app.tasks.idle()
      t.equal(task.status, 'cancelled')
      app.addTask(untilAborted, { name: 'report' })
      await errorOf(() => app.cancelTask('report', { [option]: value }))
      await app.tasks.idle()
      t.equal(app.getTask('report').status, 'cancelled')
    }
  })
}

t.test('a bad option of a cancel is refused when the task has settled, too', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(() => 'done')
  await t.rejects(task.cancel({ timeout: -1 }), { code: 'FST_ERR_TASK_INVALID_OPTION' })
})

t.test('a bad optional is refused', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  for (const name of ['report', 'unknown']) {
    for (const optional of flag.bad) {
      const options = { optional: optional as boolean }
      checkError(t, await errorOf(() => { app.getTask(name, options) }), 'optional', `task "${name}"`, flag.takes)
      checkError(t, await errorOf(() => app.cancelTask(name, options)), 'optional', `task "${name}"`, flag.takes)
    }
  }
  t.equal(task.status, 'running')
})

t.test('a good optional is accepted', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  for (const optional of flag.good) {
    const options = { optional: optional as boolean }
    t.equal(app.getTask('report', options), task)
    if (optional === true) {
      t.equal(app.getTask('unknown', options), undefined)
      t.equal(await app.cancelTask('unknown', options), undefined)
    } else {
      t.throws(() => app.getTask('unknown', options), { code: 'FST_ERR_TASK_NOT_FOUND' })
      await t.rejects(app.cancelTask('unknown', options), { code: 'FST_ERR_TASK_NOT_FOUND' })
    }
  }
})

for (const value of [null, 5, 0, 'report', '', true, false, Symbol('options'), () => {}]) {
  t.test(`options that are ${typeof value} ${String(value)} are refused`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const task = app.addTask(untilAborted, { name: 'report' })
    let ran = false
    const options = value as object
    const refusal = { code: 'FST_ERR_TASK_INVALID_OPTION', message: /must be an object/ }
    t.throws(() => app.addTask(() => { ran = true }, options), refusal)
    t.throws(() => app.getTask('report', options), refusal)
    await t.rejects(app.cancelTask('report', options), refusal)
    await t.rejects(task.cancel(options), refusal)
    t.equal(ran, false)
    t.equal(app.tasks.size, 1)
    t.equal(task.status, 'running')
  })
}

t.test('options that are undefined have no effect', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  t.equal(app.addTask(() => 'done', undefined).result, 'done')
  const task = app.addTask(untilAborted, { name: 'report' })
  t.equal(app.getTask('report', undefined), task)
  await app.cancelTask('report', undefined)
  await task.cancel(undefined)
  t.equal(task.status, 'cancelled')
})

t.test('options without a prototype are accepted', async t => {
  const { app } = await buildApp(t)
  const options = Object.assign(Object.create(null), { name: 'report' })
  t.equal(app.addTask(untilAborted, options).name, 'report')
})

t.test('addTask does not change its options', async t => {
  const { app } = await buildApp(t)
  const options = Object.freeze({ name: 'report', timeout: 1000 })
  t.equal(app.addTask(untilAborted, options).name, 'report')
})

for (const [what, work] of Object.entries({
  undefined,
  null: null,
  'a number': 5,
  'a string': 'work',
  'a boolean': true,
  'a symbol': Symbol('work'),
  'an object': {},
  'an array of functions': [() => {}],
  'an object whose then is no function': { then: 'later' }
})) {
  t.test(`work that is ${what} is refused`, async t => {
    const { app } = await buildApp(t)
    for (const ready of [false, true]) {
      if (ready) await app.ready()
      const error: any = await errorOf(() => { app.addTask(work as () => void) })
      t.ok(error instanceof errors.FST_ERR_TASK_INVALID_WORK)
      t.ok(error instanceof TypeError)
      t.match(error, { code: 'FST_ERR_TASK_INVALID_WORK', statusCode: 500, message: /a function, a generator or a promise, received / })
      t.throws(() => app.addTask(work as () => void, { name: 'report' }), { code: 'FST_ERR_TASK_INVALID_WORK', message: /task "report"/ })
      t.equal(app.tasks.size, 0)
    }
  })
}

const code = 'FST_ERR_TASK_INVALID_OPTION'

for (const [misspelt, nearest] of Object.entries({
  cancelTimeuot: 'cancelTimeout', draintimeout: 'drainTimeout', maxTask: 'maxTasks', maxSetled: 'maxSettled', maxSettledAgo: 'maxSettledAge', onerror: 'onError', error: 'onError', drainTimeOut: 'drainTimeout'
})) {
  t.test(`an option of the plugin that does not exist is refused, with the nearest: ${misspelt}`, async t => {
    for (const value of [1, undefined]) {
      const app = Fastify()
      await t.rejects(async () => app.register(tasks, { [misspelt]: value }), {
        code,
        statusCode: 500,
        message: `Option "${misspelt}" of fastify-tasks does not exist, the nearest is "${nearest}"`
      })
      t.equal(app.hasDecorator('addTask'), false)
      await app.close()
    }
  })
}

for (const [misspelt, nearest] of Object.entries({ drian: 'drain', nme: 'name', timeOut: 'timeout', Kind: 'kind', date: 'data', onDuplicat: 'onDuplicate', afters: 'after', abortSignal: 'signal', logger: 'log' })) {
  t.test(`an option of a task that does not exist is refused, and the work does not run: ${misspelt}`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    let ran = false
    const message = `Option "${misspelt}" of task "report" does not exist, the nearest is "${nearest}"`
    t.throws(() => app.addTask(() => { ran = true }, { name: 'report', [misspelt]: true }), { code, message })
    t.throws(() => app.addTask(Promise.reject(new Error('refused')), { name: 'report', [misspelt]: undefined }), { code, message })
    t.equal(ran, false)
    t.equal(app.tasks.size, 0)
  })
}

for (const unlike of ['where', 'owner', 'e', 'x', '__proto__x', 'user']) {
  t.test(`an option that resembles none is refused, with a list of those that exist: ${unlike}`, async t => {
    const { app } = await buildApp(t)
    await app.ready()
    const message = 'Option "' + unlike + '" of task "report" does not exist, choose from "name", "kind", "data", "onDuplicate", ' +
      '"register", "limit", "maxSettledAge", "signal", "timeout", "after", "drain", "log"'
    t.throws(() => app.addTask(() => {}, { name: 'report', [unlike]: true }), { code, message })
  })
}

t.test('an option that does not exist is refused by every verb', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted, { name: 'report' })
  const misspelt = (option: string, nearest: string) => ({ code, message: `Option "${option}" of task "report" does not exist, the nearest is "${nearest}"` })
  t.throws(() => app.getTask('report', { optinal: true } as object), misspelt('optinal', 'optional'))
  t.throws(() => app.getTask('report', { reason: 'why' } as object), {
    code,
    message: 'Option "reason" of task "report" does not exist, choose from "optional"'
  })
  await t.rejects(app.cancelTask('report', { resaon: 'why' } as object), misspelt('resaon', 'reason'))
  await t.rejects(app.cancelTask('report', { option: true } as object), misspelt('option', 'optional'))
  await t.rejects(task.cancel({ timout: 1 } as object), misspelt('timout', 'timeout'))
  await t.rejects(task.cancel({ optional: true } as object), { code, message: /"optional" of task "report" does not exist/ })
  t.throws(() => task.watch({ sginal: AbortSignal.abort() } as object), misspelt('sginal', 'signal'))
  t.equal(task.status, 'running')
})

t.test('a very long or odd option name is refused as quickly', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const began = performance.now()
  for (const option of ['x'.repeat(1_000_000), '', ' ', 'constructor', 'toString', '%s%d']) {
    t.throws(() => app.addTask(() => {}, { [option]: 1 }), { code, message: /does not exist, choose from "name", "kind", / })
  }
  t.ok(performance.now() - began < 30_000)
})

t.test('inherited options are checked, too', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  t.equal(app.addTask(untilAborted, Object.create({ name: 'inherited' })).name, 'inherited')
  t.throws(() => app.addTask(untilAborted, Object.create({ nmae: 'inherited' })), { code })
})
