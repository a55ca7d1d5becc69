import t, { type Test } from 'tap'
import { errors, type FastifyTasksOptions } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'
import { holdProcess } from './fixtures/hold-process.ts'

t.beforeEach(holdProcess)

t.test('the package exports the errors that users can meet, and no others', async t => {
  t.same(Object.keys(errors).sort(), [
    'FST_ERR_TASK_CANCEL_TIMEOUT',
    'FST_ERR_TASK_CLOSED',
    'FST_ERR_TASK_DUPLICATE_NAME',
    'FST_ERR_TASK_INVALID_OPTION',
    'FST_ERR_TASK_INVALID_WORK',
    'FST_ERR_TASK_LIMIT',
    'FST_ERR_TASK_NOT_FOUND',
    'FST_ERR_TASK_TIMEOUT',
    'FST_ERR_TASK_YIELDED_PROMISE'
  ])
})

type App = Awaited<ReturnType<typeof buildApp>>['app']

interface Case {
  statusCode: number
  options?: FastifyTasksOptions
  /** Throws or rejects with the error, about a task named as is told, or without a name. */
  meet: (app: App, name: string | undefined) => unknown
  message: RegExp
  isTypeError?: boolean
  named?: 'only'
}

const cases: Record<keyof typeof errors, Case> = {
  FST_ERR_TASK_NOT_FOUND: {
    statusCode: 404,
    meet: (app, name) => app.getTask(name!),
    message: /^There is no task "report:5"$/,
    named: 'only'
  },
  FST_ERR_TASK_DUPLICATE_NAME: {
    statusCode: 409,
    meet (app, name) {
      app.addTask(untilAborted, { name })
      app.addTask(untilAborted, { name })
    },
    message: /^There is a task "report:5" already$/,
    named: 'only'
  },
  FST_ERR_TASK_LIMIT: {
    statusCode: 503,
    options: { maxTasks: 1 },
    meet (app, name) {
      app.addTask(untilAborted)
      app.addTask(untilAborted, { name })
    },
    message: /^Cannot add .*task.*: 1 tasks of the app have not ended, and more are not allowed$/
  },
  FST_ERR_TASK_CLOSED: {
    statusCode: 503,
    async meet (app, name) {
      await app.close()
      app.addTask(untilAborted, { name })
    },
    message: /^Cannot add .*task.*: the app is closing$/
  },
  FST_ERR_TASK_TIMEOUT: {
    statusCode: 504,
    meet: (app, name) => app.addTask(untilAborted, { name, timeout: 5 }).finished,
    message: /^The work of task .* timed out after 5 ms$/
  },
  FST_ERR_TASK_CANCEL_TIMEOUT: {
    statusCode: 504,
    options: { cancelTimeout: 5 },
    meet: (app, name) => app.addTask(deaf, { name }).cancel(),
    message: /^The work of task .* has not stopped 5 ms after its cancellation$/
  },
  FST_ERR_TASK_INVALID_WORK: {
    statusCode: 500,
    meet: (app, name) => app.addTask('work' as any, { name }),
    message: /its work must be a function, a generator or a promise, received 'work'$/,
    isTypeError: true
  },
  FST_ERR_TASK_YIELDED_PROMISE: {
    statusCode: 500,
    meet: async (app, name) => {
      await app.ready()
      return app.addTask(function * () { yield Promise.resolve() }, { name }).finished
    },
    message: /^The work of .*task.*, a function \*, yielded a promise: write it as an async function \* that awaits the promise$/,
    isTypeError: true
  },
  FST_ERR_TASK_INVALID_OPTION: {
    statusCode: 500,
    meet: (app, name) => app.addTask(untilAborted, { name, drain: 'yes' as any }),
    message: /^Option "drain" of .*task.* must be true or false, received 'yes'$/,
    isTypeError: true
  }
}

async function checkError (t: Test, code: keyof typeof errors, name: string | undefined) {
  const { statusCode, options, meet, message, isTypeError = false } = cases[code]
  const { app } = await buildApp(t, options)
  await app.ready()
  let error: any
  try {
    await meet(app, name)
  } catch (thrown) {
    error = thrown
  }
  t.ok(error instanceof errors[code], 'is of its class')
  t.ok(error instanceof Error)
  t.equal(error instanceof TypeError, isTypeError)
  for (const [other, constructor] of Object.entries(errors)) {
    if (other !== code) t.notOk(error instanceof constructor, `is no ${other}`)
  }
  t.equal(error.code, code)
  t.equal(error.statusCode, statusCode)
  t.equal(error.name, 'FastifyError')
  t.match(error.message, name === undefined ? /task/ : new RegExp(`"${name}"`))
  t.match(error.message, message)
  t.notMatch(error.message, /%[sd]|undefined|\[object/)
}

for (const [code, { statusCode, named }] of Object.entries(cases) as [keyof typeof errors, Case][]) {
  t.test(`${code} has status ${statusCode} and names its task in one short sentence`, async t => {
    await checkError(t, code, 'report:5')
    if (named !== 'only') await checkError(t, code, undefined)
  })
}

t.test('a message contains the name as it is', async t => {
  const { app } = await buildApp(t)
  t.throws(() => app.getTask('100 %s %d %o'), { message: /"100 %s %d %o"/ })
})

t.test('a message names an unnamed task by its id', async t => {
  const { app } = await buildApp(t, { cancelTimeout: 5 })
  await app.ready()
  app.addTask(untilAborted)
  await t.rejects(app.addTask(untilAborted, { timeout: 5 }).finished, { code: 'FST_ERR_TASK_TIMEOUT', message: /task 2 / })
  await t.rejects(app.addTask(deaf).cancel(), { code: 'FST_ERR_TASK_CANCEL_TIMEOUT', message: /task 3 / })
})
