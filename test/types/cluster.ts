// What must compile of fastify-tasks/cluster, and what must not. `npm run lint` compiles it, as strictly as a user may.
import type { JsonSchemaToTsProvider } from '@fastify/type-provider-json-schema-to-ts'
import { Type, type TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import type { FromSchema } from 'json-schema-to-ts'
import pg from 'pg'
import tasks, { type TaskStatus, type TaskWatch } from '../../index.ts'
import cluster, {
  clusterTaskStateSchema,
  errors,
  type AddClusterTaskOptions,
  type Cluster,
  type ClusterCallable,
  type ClusterGenerator,
  type ClusterOptions,
  type ClusterTask,
  type ClusterTaskState,
  type Kind,
  type KindOptions,
  type RunningTask,
  type Schedule,
  type TaskCounts,
  type When,
  type TaskAttempt
} from '../../lib/cluster/index.ts'

type Equal<A, B> = (<X>() => X extends A ? 1 : 2) extends (<X>() => X extends B ? 1 : 2) ? true : false
function expectType<Expected> () {
  return <Actual>(_value: Actual, ..._: Equal<Expected, Actual> extends true ? [] : [never]) => {}
}

// Options of the plugin.
const app = Fastify()
await app.register(tasks)
await app.register(cluster)
await app.register(cluster, { connection: 'redis://127.0.0.1:6379', prefix: 'shop', work: ['report'], stallTimeout: 10_000 })
await app.register(cluster, { connection: new Redis(), work: false })
await app.register(cluster, { connection: { host: '127.0.0.1', port: 6379 } })
await app.register(cluster, { connection: new pg.Pool(), migrate: false })
await app.register(cluster, { connection: process.env.TASKS_URL })
declare const options: ClusterOptions
await app.register(cluster, options)
// @ts-expect-error a misspelt option
await app.register(cluster, { conection: 'redis://127.0.0.1' })
// @ts-expect-error neither all, none nor names
await app.register(cluster, { work: 'report' })
// @ts-expect-error a time is a number
await app.register(cluster, { timeout: '5s' })

// Data and result are inferred from the work. What it may tell of as its progress is anything, unless it says what.
interface Month { month: number }
const reports = app.cluster.defineTask('report', async (app, task: RunningTask<Month>) => {
  expectType<FastifyInstance>()(app)
  expectType<Month>()(task.data)
  expectType<number>()(task.attempt)
  expectType<AbortSignal>()(task.signal)
  task.progress = { day: 1 }
  return { url: `/reports/${task.data.month}` }
}, { attempts: 3, backoff: { type: 'exponential', delay: 1000, jitter: 0.5 }, limit: { max: 10, duration: 1000 } })

interface Url { url: string }
const report = await reports.addTask({ month: 5 }, { name: 'may', onDuplicate: 'keep', delay: 1000, priority: 1 })
expectType<Month>()(report.data)
expectType<Url | undefined>()(report.result)
expectType<Url>()(await report.finished)
expectType<Month>()((await reports.getTask('may')).data)
expectType<Url | undefined>()((await reports.getTask('may')).result)
expectType<Url | undefined>()((await reports.getTask('may', { optional: true }))?.result)
expectType<Month>()((await reports.tasks({ status: ['running', 'failed'], limit: 10 }))[0]!.data)
expectType<Month>()((await reports.addTasks([{ data: { month: 5 }, name: 'may' }, { data: { month: 6 } }]))[0]!.data)
expectType<Month>()((await reports.schedules())[0]!.data)

// The verbs of an operator infer like the others.
expectType<Month>()((await reports.retryTask('may')).data)
expectType<Url | undefined>()((await reports.retryTask('may', { optional: true }))?.result)
expectType<Url>()(await (await report.retry()).finished)
expectType<Month>()((await reports.promoteTask('may')).data)
expectType<number>()(await reports.retryTasks({ status: ['failed', 'cancelled'], limit: 10, which: task => task.data.month === 5 }))
expectType<number>()(await reports.cancelTasks({ status: 'deferred', reason: 'too late', timeout: 1000, which: ({ name, progress }) => name.startsWith('user:') && progress !== undefined }))
expectType<number>()(await reports.purgeTasks({ status: 'completed', olderThan: 60_000, which: task => task.result!.url !== '' }))
expectType<number>()(await reports.purgeTasks(task => task.data.month === 5))
expectType<number>()((await reports.history())[0]!.completed)
expectType<number | undefined>()((await reports.workers())[0]!.since)
expectType<readonly TaskAttempt[]>()(report.attempts)
// @ts-expect-error a task that runs cannot be retried
await reports.retryTasks({ status: 'running' })
// @ts-expect-error a task that has settled cannot be cancelled
await reports.cancelTasks({ status: 'failed' })
expectType<TaskStatus>()(report.status)
expectType<number>()(await reports.purgeTasks())
expectType<TaskCounts>()(await reports.count())
expectType<string>()(reports.name)
await reports.scheduleTask('nightly', { cron: '0 3 * * *', timeZone: 'Europe/Zurich' }, { month: 0 })
await reports.scheduleTask('hourly', { every: 3_600_000 }, { month: 0 }, { priority: 5 })
// @ts-expect-error the data is missing
await reports.addTask()
// @ts-expect-error the data is that of another kind
await reports.addTask({ year: 2026 })
// @ts-expect-error a month is a number
await reports.addTasks([{ data: { month: 'May' } }])
// @ts-expect-error the data is missing
await reports.addTasks([{ name: 'may' }])
// @ts-expect-error many are not replaced
await reports.addTasks([{ data: { month: 5 }, onDuplicate: 'replace' }])
// @ts-expect-error the data is missing
await reports.scheduleTask('nightly', { cron: '0 3 * * *' })
// @ts-expect-error either times or an interval
await reports.scheduleTask('nightly', { cron: '0 3 * * *', every: 1000 }, { month: 0 })
// @ts-expect-error without a name it may not be found
expectType<Url | undefined>()((await reports.getTask('may', { optional: true })).result)
// @ts-expect-error no status
await reports.tasks({ status: 'waiting' })
// @ts-expect-error a misspelt option
await reports.addTask({ month: 5 }, { nmae: 'may' })
// @ts-expect-error what the work has told of, others only read
report.progress = { day: 2 }
// @ts-expect-error it is read again with refresh()
report.status = 'completed'
// @ts-expect-error a task is not a thenable
report.then(() => {})

// Data that the work does not look at may be left out.
const pings = app.cluster.defineTask('ping', async () => 'pong')
expectType<Kind<string, unknown>>()(pings)
await pings.addTask()
await pings.addTask({ any: 'thing' })
await pings.scheduleTask('minutely', { every: 60_000 })
const optional = app.cluster.defineTask('optional', (app, task: RunningTask<Month | undefined>) => task.data?.month)
expectType<Kind<number | undefined, Month | undefined, any>>()(optional)
await optional.addTask()
await optional.addTask({ month: 5 })
// @ts-expect-error a month is a number
await optional.addTask({ month: 'May' })
expectType<Kind<number, unknown>>()(app.cluster.defineTask('now', () => 1))
expectType<Kind<void, unknown>>()(app.cluster.defineTask('nothing', () => {}))
expectType<Kind<number, unknown>>()(app.cluster.defineTask('one or the other', () => Math.random() > 0.5 ? Math.random() : Promise.resolve(1)))

// Progress: what a generator yields, or what the type of the task says.
interface Done { done: number }
const imports = app.cluster.defineTask('import', async function * (app, task: RunningTask<Month, Done>) {
  expectType<Done | undefined>()(task.progress)
  for (let done = task.progress?.done ?? 0; done < 31; done++) yield { done: done + 1 }
  return 'imported'
})
expectType<Kind<string, Month, Done>>()(imports)
expectType<Done | undefined>()((await imports.getTask('may')).progress)
expectType<TaskWatch<ClusterTaskState<any>>>()(report.watch({ interval: 200, signal: AbortSignal.timeout(1) }))
await report.watch().return()
for await (const state of report.watch()) expectType<ClusterTaskState<any>>()(state)
for await (const { progress } of (await imports.getTask('may')).watch()) expectType<Done | undefined>()(progress)
const counting = app.cluster.defineTask('count', function * (app, task: RunningTask<number>) {
  for (let n = 0; n < task.data; n++) yield n
  return 'counted' as const
})
expectType<Kind<'counted', number, number>>()(counting)
expectType<Kind<void, Month, Done>>()(app.cluster.defineTask('telling', async (app, task: RunningTask<Month, Done>) => { task.progress = { done: 1 } }))
app.cluster.defineTask('telling wrong', async (app, task: RunningTask<Month, Done>) => {
  // @ts-expect-error not what its progress is
  task.progress = { percent: 1 }
  // @ts-expect-error its name stays
  task.name = 'other'
})

// Work that was defined elsewhere, under a name.
const callable: ClusterCallable<Url, FastifyInstance, Month, Done> = async (app, { data, log }) => { log.info(app.version); return { url: `${data.month}` } }
expectType<Kind<Url, Month, Done>>()(app.cluster.defineTask('callable', callable))
const generator: ClusterGenerator<Url, FastifyInstance, Month, Done> = async function * (app, { data }) { yield { done: 1 }; return { url: `${data.month}` } }
expectType<Kind<Url, Month, Done>>()(app.cluster.defineTask('generator', generator))
async function named (app: FastifyInstance, task: RunningTask<Month>) { return task.data.month }
expectType<Kind<number, Month, any>>()(app.cluster.defineTask('named', named, { timeout: 1000 }))

// A schema without a type provider says nothing of the data.
expectType<Kind<number, Month, any>>()(app.cluster.defineTask('by schema', (app, task: RunningTask<Month>) => task.data.month, { schema: { type: 'object' } }))
expectType<Kind<number, unknown>>()(app.cluster.defineTask('by schema alone', () => 1, { schema: { type: 'object' } }))

// With a type provider it does.
const withTypeBox = app.withTypeProvider<TypeBoxTypeProvider>()
const typeBox = withTypeBox.cluster.defineTask('typebox', async (app, task) => {
  expectType<typeof withTypeBox>()(app)
  expectType<Month>()(task.data)
  task.progress = { day: 1 }
  return task.data.month
}, { schema: Type.Object({ month: Type.Integer() }), attempts: 3 })
expectType<Kind<number, Month, any>>()(typeBox)
await typeBox.addTask({ month: 5 })
// @ts-expect-error not what the schema takes
await typeBox.addTask({ month: 'May' })
const typeBoxGenerator = withTypeBox.cluster.defineTask('typebox generator', async function * (app, task) {
  expectType<Month>()(task.data)
  yield { done: task.data.month }
  return 'done'
}, { schema: Type.Object({ month: Type.Integer() }) })
expectType<Kind<string, Month, Done>>()(typeBoxGenerator)
expectType<Kind<number, unknown>>()(withTypeBox.cluster.defineTask('typebox without', () => 1))
expectType<Kind<number, Month, any>>()(withTypeBox.cluster.defineTask('typebox own', (app, task: RunningTask<Month>) => task.data.month))

const withSchemaToTs = app.withTypeProvider<JsonSchemaToTsProvider>()
const schemaToTs = withSchemaToTs.cluster.defineTask('json-schema-to-ts', async (app, task) => {
  expectType<typeof withSchemaToTs>()(app)
  expectType<number>()(task.data.month)
  return task.data.month
}, { schema: { type: 'object', properties: { month: { type: 'integer' } }, required: ['month'], additionalProperties: false } })
expectType<Kind<number, Month, any>>()(schemaToTs)
await schemaToTs.addTask({ month: 5 })
// @ts-expect-error not what the schema takes
await schemaToTs.addTask({ month: 'May' })
const monthSchema = { type: 'object', properties: { month: { type: 'integer' } }, required: ['month'] } as const
const fromConst = withSchemaToTs.cluster.defineTask('json-schema-to-ts const', (app, { data }) => data.month, { schema: monthSchema })
await fromConst.addTask({ month: 5 } satisfies FromSchema<typeof monthSchema>)

// Kinds by their name.
expectType<Cluster>()(app.cluster)
expectType<Kind<any, any, any>>()(app.cluster.getKind('report'))
expectType<Kind<Url, Month>>()(app.cluster.getKind<Url, Month, unknown>('report'))
expectType<Kind<any, any, any>[]>()([reports, pings, imports, typeBox] as Kind<any, any, any>[])
for (const kind of app.cluster) expectType<Kind<any, any, any>>()(kind)

// What takes any kind.
async function deferredOf (kind: Kind<any, any, any>) { return (await kind.count()).deferred }
for (const kind of [reports, pings, imports, typeBox]) expectType<number>()(await deferredOf(kind))
expectType<number[]>()(await Promise.all(Array.from(app.cluster, deferredOf)))
const byAge = new Map<string, Kind<any, any, any>>([['old', reports], ['new', imports]])
for (const kind of byAge.values()) await kind.cancelTask('may', { optional: true })
export const tasksOfAnyKind: ClusterTask<unknown, unknown, unknown>[] = [await reports.getTask('may'), ...await imports.tasks()]
async function countOf (kind: Pick<Kind<unknown, unknown>, 'count'>) { return await kind.count() }
expectType<TaskCounts>()(await countOf(reports))
// @ts-expect-error a kind takes its own data only, so it is no kind of any data
await deferredOf(reports satisfies Kind<unknown, unknown>)
await app.cluster.ping()
declare module 'fastify' { interface FastifyInstance { monthlyReports: Kind<Url, Month> } }
app.decorate('monthlyReports', reports)
app.get('/reports/:id', async () => app.monthlyReports.getTask('may'))

// What must not.
// @ts-expect-error the result comes first, then the data, as in the core
expectType<Kind<Month, Url>>()(reports)
// @ts-expect-error the result comes first
app.decorate('monthlyReports', app.cluster.defineTask('other way round', async (app, task: RunningTask<Url>): Promise<Month> => ({ month: 1 })))
// @ts-expect-error a kind says what its data is
export type OfResultAlone = Kind<Url>
// @ts-expect-error and so does a task
export type TaskOfResultAlone = ClusterTask<Url>
// @ts-expect-error the result comes first, then the instance
export const otherCallable: ClusterCallable<Month, Url, Done> = async (app, task) => ({ url: `${task.data.month}` })
for (const task of await reports.tasks()) expectType<number>()(task.data.month)
// @ts-expect-error no work
app.cluster.defineTask('report')
// @ts-expect-error a misspelt option
app.cluster.defineTask('report', async () => 1, { attemps: 3 })
// @ts-expect-error both are needed
app.cluster.defineTask('report', async () => 1, { limit: { max: 1 } })
// @ts-expect-error no such back-off
app.cluster.defineTask('report', async () => 1, { backoff: { type: 'linear', delay: 1000 } })

expectType<404>()(new errors.FST_ERR_TASK_UNKNOWN_KIND('report').statusCode)
expectType<503>()(new errors.FST_ERR_TASK_UNREACHABLE('').statusCode)
export type { AddClusterTaskOptions, ClusterOptions, ClusterTask, KindOptions, Schedule, When }

// The state's schema, with and without a type provider: a task is a reply under it.
const typed = app.withTypeProvider<JsonSchemaToTsProvider>()
typed.get('/state', { schema: { response: { 200: clusterTaskStateSchema } } }, async () => reports.getTask('a'))
typed.get('/states', { schema: { response: { 200: { type: 'array', items: clusterTaskStateSchema } } } }, async () => reports.tasks())
const boxed = app.withTypeProvider<TypeBoxTypeProvider>()
boxed.get('/state', { schema: { response: { 200: clusterTaskStateSchema } } }, async () => (await reports.getTask('a')).toJSON())
boxed.get('/states', { schema: { response: { 200: Type.Array(clusterTaskStateSchema) } } }, async () => reports.tasks())

// What is done once a task has settled.
app.cluster.defineTask('settled', async (app, task: RunningTask<Month, Done>) => ({ url: `${task.data.month}` }), {
  onSettled: async (app, task) => {
    expectType<number>()(task.data.month)
    expectType<any>()(task.result)
    await app.close()
  }
})
