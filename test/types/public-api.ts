// What must compile, and what must not. `npm run lint` compiles it, as strictly as a user may.
import { createSecureServer } from 'node:http2'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import tasks, {
  errors,
  type CancelOptions,
  type FastifyTasksOptions,
  type Task,
  type TaskOptions,
  type Tasks,
  type TaskState,
  type TaskStatus,
  type TaskWork
} from '../../index.ts'

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true : false
function expectType<Expected> () {
  return <Actual>(_value: Actual, ..._: Equal<Expected, Actual> extends true ? [] : [never]) => {}
}

const app = Fastify()
app.register(tasks)
app.register(tasks, { cancelTimeout: 1000, drainTimeout: Infinity, maxTasks: 10, maxSettled: 0, onError: (error, task) => task.log.warn({ err: error }) })
app.register(tasks, { onError: async () => {} })
// @ts-expect-error a misspelt option
app.register(tasks, { cancelTimeuot: 1000 })
// @ts-expect-error a time is a number
app.register(tasks, { cancelTimeout: '1s' })

// The result is inferred from callables and promises alike.
expectType<Task<number>>()(app.addTask(() => 1))
expectType<Task<number>>()(app.addTask(async () => 1))
expectType<Task<number>>()(app.addTask(async (_app, _task) => 1))
expectType<Task<string>>()(app.addTask(Promise.resolve('a')))
expectType<Task<string>>()(app.addTask(Promise.resolve('a') as PromiseLike<string>))
expectType<Task<void>>()(app.addTask(() => {}))
expectType<Task<number>>()(app.addTask(() => Math.random() > 0.5 ? Math.random() : Promise.resolve(1)))
expectType<number | undefined>()(app.addTask(async () => 1).result)
expectType<Promise<number>>()(app.addTask(async () => 1).finished)
// @ts-expect-error neither a callable nor a promise
app.addTask(42)
// @ts-expect-error nothing at all
app.addTask()

// The injected instance has the caller's own type.
app.addTask(instance => expectType<typeof app>()(instance))
interface Database { query (): Promise<number> }
const withDatabase = app as typeof app & { database: Database }
expectType<Task<number>>()(withDatabase.addTask(({ database }) => database.query()))
const overHttp2 = Fastify({ http2: true, https: {}, serverFactory: handler => createSecureServer(handler) })
overHttp2.register(tasks)
overHttp2.addTask(instance => expectType<typeof overHttp2>()(instance))
const work: TaskWork<number> = async (app, { signal, log }) => { log.info(app.version); return signal.aborted ? 0 : 1 }
expectType<Task<number>>()(app.addTask(work))
async function named (app: FastifyInstance, task: Task) { return `${app.version} ${task.id}` }
expectType<Task<string>>()(app.addTask(named, { name: 'named' }))

// Options.
declare const reply: FastifyReply
declare const log: FastifyBaseLogger
app.addTask(work, { name: 'a', onDuplicate: 'replace', register: false, signal: AbortSignal.timeout(1), timeout: 1, after: reply, drain: true, log })
app.addTask(work, { name: undefined, onDuplicate: undefined, signal: undefined, timeout: undefined, after: undefined })
const taskOptions: TaskOptions = { name: 'a' }
app.addTask(work, taskOptions)
// @ts-expect-error a misspelt option
app.addTask(work, { nmae: 'a' })
// @ts-expect-error a bad policy
app.addTask(work, { name: 'a', onDuplicate: 'ignore' })
// @ts-expect-error a name is a string
app.addTask(work, { name: 1 })
// @ts-expect-error a signal, not a controller
app.addTask(work, { signal: new AbortController() })
// @ts-expect-error a reply, not true
app.addTask(work, { after: true })
overHttp2.get('/', async (request, reply) => { overHttp2.addTask(async () => {}, { after: reply }) })
app.get<{ Reply: { 200: { done: boolean } } }>('/typed', async (request, reply) => {
  app.addTask(async () => {}, { after: reply })
  return { done: true }
})

// Finding: never undefined, unless optional.
expectType<Task<unknown>>()(app.getTask('a'))
expectType<Task<unknown>>()(app.getTask('a', {}))
expectType<Task<unknown>>()(app.getTask('a', { optional: false }))
expectType<Task<unknown> | undefined>()(app.getTask('a', { optional: true }))
expectType<Task<unknown> | undefined>()(app.getTask('a', { optional: Math.random() > 0.5 }))
expectType<Task<number>>()(app.getTask<number>('a'))
// @ts-expect-error a name is a string
app.getTask(1)

// Cancelling.
expectType<Promise<void>>()(app.cancelTask('a', { reason: 'why', timeout: 1, optional: true }))
expectType<Promise<void>>()(app.cancelTask('a', { reason: new Error('why') }))
// @ts-expect-error a reason is an error or a string
app.cancelTask('a', { reason: 42 })
// @ts-expect-error a misspelt option
app.cancelTask('a', { resaon: 'why' })
const cancelOptions: CancelOptions = { reason: 'why' }
expectType<Promise<void>>()(app.getTask('a').cancel(cancelOptions))
// @ts-expect-error only cancelTask looks a task up
app.getTask('a').cancel({ optional: true })

// Purging and listing.
expectType<number>()(app.purgeTasks())
expectType<Tasks>()(app.tasks)
expectType<number>()(app.tasks.size)
expectType<Promise<void>>()(app.tasks.idle())
expectType<TaskState[]>()(app.tasks.toJSON())
expectType<Task<unknown>[]>()([...app.tasks])
// @ts-expect-error read-only
app.tasks = Fastify().tasks
// @ts-expect-error read-only
app.tasks.size = 0

// A task: all is read-only but its progress.
const task = app.addTask(async () => 1)
task.progress = { percent: 50 }
expectType<number>()(task.id)
expectType<string | undefined>()(task.name)
expectType<TaskStatus>()(task.status)
expectType<boolean>()(task.settled)
expectType<unknown>()(task.error)
expectType<number>()(task.createdAt)
expectType<number | undefined>()(task.startedAt)
expectType<number | undefined>()(task.settledAt)
expectType<AbortSignal>()(task.signal)
expectType<FastifyBaseLogger>()(task.log)
expectType<TaskState>()(task.toJSON())
// @ts-expect-error read-only
task.id = 1
// @ts-expect-error read-only
task.name = 'a'
// @ts-expect-error read-only
task.status = 'completed'
// @ts-expect-error read-only
task.settled = true
// @ts-expect-error read-only
task.result = 1
// @ts-expect-error read-only
task.error = undefined
// @ts-expect-error read-only
task.createdAt = 1
// @ts-expect-error read-only
task.startedAt = 1
// @ts-expect-error read-only
task.settledAt = 1
// @ts-expect-error read-only
task.log = log
// @ts-expect-error read-only
task.signal = AbortSignal.abort()
// @ts-expect-error read-only
task.finished = Promise.resolve(1)
// @ts-expect-error read-only
task.cancel = async () => {}
// @ts-expect-error read-only
task.toJSON = () => anyTask.toJSON()
// @ts-expect-error not one of the states
expectType<boolean>()(task.status === 'done')
// @ts-expect-error not a thenable
task.then(() => {})
async function scope () {
  await using scoped = app.addTask(async () => 1)
  expectType<Task<number>>()(scoped)
}
scope()

// A task of something is a task of unknown, and a reply.
const anyTask: Task = task
app.get('/task', async () => anyTask)
app.get<{ Reply: TaskState }>('/state', async () => anyTask.toJSON())

// Errors.
expectType<'FST_ERR_TASK_NOT_FOUND'>()(new errors.FST_ERR_TASK_NOT_FOUND('a').code)
expectType<404>()(new errors.FST_ERR_TASK_NOT_FOUND('a').statusCode)
const settings: FastifyTasksOptions = {}
app.register(tasks, settings)
