// What must compile, and what must not. `npm run lint` compiles it, as strictly as a user may.
import { createSecureServer } from 'node:http2'
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyReply } from 'fastify'
import tasks, {
  errors,
  taskStateSchema,
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
expectType<Task<string | number>>()(app.addTask(() => Math.random() > 0.5 ? 1 as number : Promise.resolve('a' as string)))
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
expectType<Task<unknown, any>[]>()([...app.tasks])
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

// Generators: what they return is the result, what they yield the progress.
const paged = app.addTask(async function * (_app, task) {
  expectType<AbortSignal>()(task.signal)
  yield { done: 1 }
  return 'report'
})
expectType<Task<string, unknown, { done: number }>>()(paged)
expectType<{ done: number } | undefined>()(paged.progress)
expectType<Promise<string>>()(paged.finished)
expectType<Task<number, unknown, string>>()(app.addTask(function * () { yield 'half'; return 1 }))
expectType<Task<void, unknown, 'half' | undefined>>()(app.addTask(function * (): Generator<'half' | undefined, void, void> { yield; yield 'half' }))
expectType<Task<void, { pages: number }, number>>()(app.addTask(async function * (_app, { data }) { yield data.pages }, { data: { pages: 1 } }))
async function * named2 (_app: FastifyInstance, task: Task<unknown, { pages: number }>) { yield task.data.pages; return true }
expectType<Task<boolean, { pages: number }, number>>()(app.addTask(named2, { data: { pages: 1 } }))
async function * knows (_app: FastifyInstance, task: Task<unknown, unknown, number>): AsyncGenerator<number, string, void> { yield (task.progress ?? 0) + 1; return 'done' }
expectType<Task<string, unknown, number>>()(app.addTask(knows))

// Generator objects: result and progress are inferred, too.
async function * buildReport (_app: FastifyInstance, months: number) { for (let done = 0; done < months; done++) yield { done }; return 'report' }
function * compute (limit: number) { yield limit; return limit > 1 }
expectType<Task<string, unknown, { done: number }>>()(app.addTask(buildReport(app, 12)))
expectType<Task<string, { owner: string }, { done: number }>>()(app.addTask(buildReport(app, 12), { kind: 'report', data: { owner: 'ada' } }))
expectType<Task<boolean, unknown, number>>()(app.addTask(compute(5)))
const reportWork: TaskWork<string> = buildReport(app, 12)
expectType<Task<string>>()(app.addTask(reportWork))

// Data: from the options, or from the work's own annotation.
expectType<Task<number, { n: number }>>()(app.addTask(async (_app, { data }) => data.n, { data: { n: 1 } }))
expectType<{ n: number }>()(app.addTask(() => {}, { data: { n: 1 } }).data)
expectType<unknown>()(app.addTask(() => {}).data)
expectType<Task<string, { owner: string }>>()(app.addTask(Promise.resolve('a'), { data: { owner: 'ada' } }))
async function owned (_app: FastifyInstance, { data }: Task<unknown, { owner: string }>) { return data.owner }
expectType<Task<string, { owner: string }>>()(app.addTask(owned, { data: { owner: 'ada' } }))
// @ts-expect-error data of another type than the work takes
app.addTask(owned, { data: { owner: 1 } })
app.addTask(work, { kind: 'report', data: Symbol('any') })
// @ts-expect-error a kind is a string
app.addTask(work, { kind: 1 })

// Finding with types.
expectType<Task<number, { n: number }, string>>()(app.getTask<number, { n: number }, string>('a'))
expectType<{ n: number } | undefined>()(app.getTask<number, { n: number }>('a', { optional: true })?.data)
const general: Task = paged
expectType<string | undefined>()(general.kind)

// Watching.
async function watching () {
  for await (const state of paged.watch()) {
    expectType<TaskState<{ done: number }>>()(state)
    expectType<{ done: number } | undefined>()(state.progress)
  }
  for await (const { status } of general.watch({ signal: AbortSignal.timeout(1) })) expectType<TaskStatus>()(status)
}
watching()
paged.watch({ interval: 200 }).return()
// @ts-expect-error an interval is a number
paged.watch({ interval: '200' })
// @ts-expect-error a misspelt option
paged.watch({ singal: AbortSignal.timeout(1) })

// Purging by a predicate.
expectType<number>()(app.purgeTasks(task => task.kind === 'report' && task.settledAt! < Date.now()))
app.purgeTasks(task => task.data?.owner === 'ada')
expectType<Task<unknown, any>[]>()([...app.tasks].filter(task => task.data?.owner === 'ada'))
// @ts-expect-error which is a function
app.purgeTasks('report')

// Progress may be set to what the task's type says, and to nothing else.
paged.progress = { done: 2 }
paged.progress = undefined
// @ts-expect-error another type
paged.progress = 'two'
// @ts-expect-error read-only
paged.kind = 'report'
// @ts-expect-error read-only
app.addTask(owned, { data: { owner: 'ada' } }).data = { owner: 'bob' }

app.register(tasks, { maxSettledAge: 3_600_000 })

// The state's schema, with and without a type provider: a task is a reply under it.
const typed = app.withTypeProvider<JsonSchemaToTsProvider>()
const replies = { response: { 200: taskStateSchema, 202: taskStateSchema } }
typed.get('/a', { schema: replies }, async () => app.getTask('a'))
typed.get('/b', { schema: replies }, async (_request, reply) => reply.code(202).send(app.addTask(async () => 1)))
typed.get('/c', { schema: replies }, async () => app.getTask('a').toJSON())
typed.get('/d', { schema: { response: { 200: { type: 'array', items: taskStateSchema } } } }, async () => [...app.tasks])
typed.get('/e', { schema: { response: { 200: { anyOf: [taskStateSchema, { type: 'null' }] } } } }, async () => app.getTask('a', { optional: true }) ?? null)
// @ts-expect-error a serializer takes an array, not what iterates
typed.get('/f', { schema: { response: { 200: { type: 'array', items: taskStateSchema } } } }, async () => app.tasks)
app.get('/g', { schema: replies }, async () => app.getTask('a'))

// The same with TypeBox, as strictly as `exactOptionalPropertyTypes` is.
const boxed = app.withTypeProvider<TypeBoxTypeProvider>()
boxed.get('/a', { schema: { response: { 200: taskStateSchema } } }, async () => app.getTask('a'))
boxed.get('/b', { schema: { response: { 200: taskStateSchema } } }, async () => app.getTask('a').toJSON())
boxed.get('/c', { schema: { response: { 200: Type.Array(taskStateSchema) } } }, async () => [...app.tasks])
boxed.get('/d', { schema: { response: { 200: taskStateSchema, 202: taskStateSchema } } }, async (_request, reply) => reply.code(202).send(app.getTask('a')))
boxed.get('/e', { schema: { response: { 200: Type.Union([taskStateSchema, Type.Null()]) } } }, async () => app.getTask('a', { optional: true }) ?? null)
boxed.get('/f', { schema: { response: { 200: { type: 'array', items: taskStateSchema } } } }, async () => [...app.tasks])
boxed.get('/g', { schema: { response: { 200: Type.Object({ task: taskStateSchema }) } } }, async () => ({ task: app.getTask('a') }))
