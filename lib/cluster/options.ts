import { inspect } from 'node:util'
import type {
  AddClusterTaskOptions,
  Backoff,
  CancelTasksOptions,
  ClusterOptions,
  KindOptions,
  ListOptions,
  NewClusterTask,
  PurgeTasksOptions,
  RetryTasksOptions,
  When
} from '../../types/cluster.ts'
import { FST_ERR_TASK_INVALID_OPTION, FST_ERR_TASK_INVALID_WORK } from '../core/errors.ts'
import { callback, cancelRules, check, checkPlugin, count, delay, duplicatePolicy, flag, MAX_DELAY, nonEmpty, positiveDelay, taskLimit, type OtherOptions, type Rule, type Rules } from '../core/options.ts'
import { taskLabel } from '../core/task-label.ts'
import { taskStatuses } from '../core/task-state.ts'
import type { QueueSettings } from './engine.ts'
import { isCron } from './schedule.ts'

const isWhole = (value: unknown, from: number) => Number.isSafeInteger(value) && (value as number) >= from
const isObject = (value: any) => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Milliseconds for a timer. */
const timer: Rule = { expected: `a number of milliseconds above 0 and up to ${MAX_DELAY}`, test: value => delay.test(value) && value > 0 && value !== Infinity }
/** Milliseconds that may be more than a timer takes. */
const span: Rule = {
  expected: `a number of milliseconds from 0 to ${Number.MAX_SAFE_INTEGER}`,
  test: value => typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER
}
const age: Rule = { expected: `${span.expected}, or Infinity`, test: value => value === Infinity || span.test(value) }
const fromZero: Rule = { expected: 'a whole number from 0', test: value => isWhole(value, 0) }
const fromOne: Rule = { expected: 'a whole number from 1', test: value => isWhole(value, 1) }

const anyString: Rule = { expected: 'a string', test: value => typeof value === 'string' }

/** A rule for an object of options. */
const anObject = (expected: string): Rule => ({ expected, test: isObject })

/** A rule for one or more of these statuses. */
function statusesOf (statuses: readonly string[]): Rule {
  return { expected: `one or more of ${statuses.join(', ')}`, test: value => [value].flat().every(status => statuses.includes(status)) }
}

const pluginRules: Rules<ClusterOptions> = {
  connection: { expected: 'a connection', test: () => true }, // checked where it is read, and never shown: there may be a password in it
  prefix: nonEmpty,
  work: {
    expected: 'true, false or an array of names of kinds',
    test: value => typeof value === 'boolean' || (Array.isArray(value) && value.every(nonEmpty.test))
  },
  maxSettled: count,
  maxSettledAge: age,
  cancelTimeout: delay,
  drainTimeout: delay,
  stallTimeout: { expected: `a number of milliseconds from 1000 to ${MAX_DELAY}`, test: value => timer.test(value) && value >= 1000 },
  timeout: timer,
  migrate: flag,
  telemetry: { expected: "BullMQ's telemetry", test: isObject }
}

const kindRules: Rules<KindOptions> = {
  concurrency: fromOne,
  globalConcurrency: { expected: 'a whole number from 1, or Infinity', test: value => value === Infinity || isWhole(value, 1) },
  limit: anObject('{ max, duration }'),
  attempts: fromOne,
  backoff: { expected: 'a number of milliseconds, or { type, delay, jitter }', test: value => span.test(value) || isObject(value) },
  timeout: positiveDelay,
  deadline: positiveDelay,
  maxStalls: fromZero,
  maxSettled: count,
  maxSettledAge: age,
  onSettled: callback,
  schema: { expected: 'a JSON schema', test: value => isObject(value) || typeof value === 'boolean' }
}

const limitRules: Rules<NonNullable<KindOptions['limit']>> = { max: fromOne, duration: timer }

const backoffRules: Rules<Backoff> = {
  type: { expected: '"fixed" or "exponential"', test: value => value === 'fixed' || value === 'exponential' },
  delay: span,
  jitter: { expected: 'a number from 0 to 1', test: value => value >= 0 && value <= 1 }
}

const scheduledRules = {
  priority: { expected: 'a whole number from 1 to 2097151', test: (value: unknown) => isWhole(value, 1) && (value as number) < 2 ** 21 }
}

const newTaskRules = {
  ...scheduledRules,
  name: nonEmpty,
  delay: span
}

/** What `addTask` takes and `addTasks` does not. */
const addTaskOnly = ['onDuplicate', 'limit'] satisfies (keyof AddClusterTaskOptions)[]

const newTask = anObject('{ data, name, delay, priority }')

/** What the verbs of a kind take. */
const verbRules = {
  addTask: { ...newTaskRules, onDuplicate: duplicatePolicy, limit: taskLimit } satisfies Rules<AddClusterTaskOptions>,
  addTasks: { ...newTaskRules, data: { expected: 'any JSON', test: () => true } } satisfies Rules<NewClusterTask>,
  scheduleTask: scheduledRules,
  tasks: { status: statusesOf(taskStatuses), offset: fromZero, limit: fromZero, name: anyString } satisfies Rules<ListOptions>,
  retryTasks: { status: statusesOf(['completed', 'failed', 'cancelled']), limit: fromZero, which: callback } satisfies Rules<RetryTasksOptions>,
  cancelTasks: { ...cancelRules, status: statusesOf(['deferred', 'running', 'cancelling']), limit: fromZero, which: callback } satisfies Rules<CancelTasksOptions>,
  purgeTasks: { status: statusesOf(['completed', 'failed', 'cancelled']), olderThan: span, name: anyString, which: callback } satisfies Rules<PurgeTasksOptions>
}

/** Whose option it may be that a verb does not take. */
const otherOptions: Partial<Record<keyof typeof verbRules, OtherOptions>> = {
  addTask: { 'the kind': kindRules },
  addTasks: { 'the kind': kindRules },
  scheduleTask: { 'the kind': kindRules }
}

const schedule = anObject('{ cron, timeZone } or { every }')

const whenRules: Rules<When> = {
  cron: { expected: 'a cron expression of five fields, or six with seconds first, that has a next time', test: isCron },
  timeZone: { expected: 'an IANA time zone', test: value => isTimeZone(value) },
  every: { expected: `a whole number of milliseconds from 1 to ${Number.MAX_SAFE_INTEGER}`, test: value => isWhole(value, 1) }
}

export type ClusterSettings = ReturnType<typeof checkClusterOptions>

/** The plugin's options, checked and complete. */
export function checkClusterOptions (options: ClusterOptions) {
  checkPlugin(options, pluginRules, 'fastify-tasks/cluster', { 'a kind': kindRules })
  const isIdle = options.work === false || (Array.isArray(options.work) && options.work.length === 0)
  if (isIdle && options.connection === undefined) {
    throw new FST_ERR_TASK_INVALID_OPTION('work', 'fastify-tasks/cluster', 'must be true or name kinds if there is no connection: no other process could run the tasks')
  }
  const { prefix } = options // `checkPlugin` leaves it out, since Fastify has an option of that name
  check({ prefix } as Pick<ClusterOptions, 'prefix'>, { prefix: nonEmpty }, () => 'fastify-tasks/cluster')
  return {
    connection: options.connection,
    prefix: prefix ?? 'tasks',
    work: options.work ?? true,
    maxSettled: options.maxSettled ?? 1000,
    maxSettledAge: options.maxSettledAge ?? Infinity,
    cancelTimeout: options.cancelTimeout ?? 3000,
    drainTimeout: options.drainTimeout ?? 5000,
    stallTimeout: Math.ceil(options.stallTimeout ?? 30_000),
    timeout: Math.ceil(options.timeout ?? 5000),
    migrate: options.migrate ?? true,
    telemetry: options.telemetry
  }
}

export interface KindSettings extends Omit<QueueSettings, 'onSettled'> {
  readonly timeout: number
  readonly deadline: number
  readonly onSettled: KindOptions['onSettled']
  readonly schema: unknown
}

/** The options of a kind, checked and complete. */
export function checkKind (kind: unknown, work: unknown, options: KindOptions, defaults: Pick<ClusterSettings, 'maxSettled' | 'maxSettledAge'>): KindSettings {
  checkName(kind, 'defineTask')
  const label = `kind "${kind as string}"`
  if (typeof work !== 'function') throw new FST_ERR_TASK_INVALID_WORK(label, inspect(work, { depth: 0 }))
  check(options, kindRules, () => label, { addTask: verbRules.addTask, 'the plugin': pluginRules })
  const { backoff = 0, limit } = options
  if (limit !== undefined) checkWhole('limit', limit, limitRules, ['max', 'duration'], label)
  if (typeof backoff === 'object') checkWhole('backoff', backoff, backoffRules, ['delay'], label)
  const { type = 'fixed', delay = 0, jitter = 0 } = typeof backoff === 'number' ? { delay: backoff } : backoff
  return {
    concurrency: options.concurrency ?? 10,
    globalConcurrency: options.globalConcurrency ?? Infinity,
    limit: limit === undefined ? undefined : { max: limit.max, duration: Math.ceil(limit.duration) },
    attempts: options.attempts ?? 1,
    backoff: { type, delay: Math.ceil(delay), jitter },
    timeout: options.timeout ?? Infinity,
    deadline: options.deadline ?? Infinity,
    maxStalls: options.maxStalls ?? 2,
    maxSettled: options.maxSettled ?? defaults.maxSettled,
    maxSettledAge: options.maxSettledAge ?? defaults.maxSettledAge,
    onSettled: options.onSettled,
    schema: options.schema
  }
}

/** Checks an option whose value is an object of options. Those in `required` must be given. */
function checkWhole<Options extends object> (option: string, options: Options, rules: Rules<Options>, required: (keyof Options & string)[], owner: string): void {
  const label = `${option} of ${owner}`
  check(options, rules, () => label)
  for (const name of required) {
    if (options[name] === undefined) throw new FST_ERR_TASK_INVALID_OPTION(name, label, `must be ${rules[name].expected}, received undefined`)
  }
}

/** Checks the options of a verb. Throws `FST_ERR_TASK_INVALID_OPTION`. */
export function checkVerb (verb: keyof typeof verbRules, options: object, label: () => string = () => verb): void {
  check(options, verbRules[verb] as Rules<object>, label, otherOptions[verb])
}

/** Checks a verb that takes no arguments: it refuses a filter, which it would ignore. */
export function checkNone (verb: string, [given]: readonly unknown[]): void {
  if (given !== undefined) throw new FST_ERR_TASK_INVALID_OPTION('options', verb, `must not be given, received ${inspect(given, { depth: 0 })}`)
}

export function checkAddMany (tasks: readonly NewClusterTask[]): void {
  if (!Array.isArray(tasks)) throw new FST_ERR_TASK_INVALID_OPTION('tasks', 'addTasks', `must be an array, received ${inspect(tasks, { depth: 0 })}`)
  for (const [i, task] of tasks.entries()) {
    checkArgument(`tasks[${i}]`, task, newTask, 'addTasks')
    const label = () => taskLabel(task)
    const option = addTaskOnly.find(option => Object.hasOwn(task, option))
    if (option !== undefined) throw new FST_ERR_TASK_INVALID_OPTION(option, label(), 'is one that only addTask takes: add the task by itself')
    checkVerb('addTasks', task, label)
  }
}

/** Checks an argument that is no object of options, or one that the documents do not call `options`. */
function checkArgument (name: string, value: unknown, { expected, test }: Rule, owner: string): void {
  if (!test(value)) throw new FST_ERR_TASK_INVALID_OPTION(name, owner, `must be ${expected}, received ${inspect(value, { depth: 0 })}`)
}

export function checkName (name: unknown, verb: string, rule: Rule = nonEmpty): void {
  checkArgument('name', name, rule, verb)
}

/** Checks a name that is looked for. It may be empty: it may come from a client, as in `GET /reports/`, and no task has such a name. */
export function checkSoughtName (name: unknown, verb: string): void {
  checkName(name, verb, anyString)
}

/** Checks a schedule. Returns its times, without options that are not given. */
export function checkSchedule (name: string, when: When, options: { priority?: number | undefined }): When {
  checkName(name, 'scheduleTask')
  const label = () => `schedule "${name}"`
  checkArgument('when', when, schedule, label())
  check(when, whenRules, label)
  checkVerb('scheduleTask', options, label)
  const { cron, timeZone, every } = when
  if ((cron === undefined) === (every === undefined)) throw new FST_ERR_TASK_INVALID_OPTION('cron', label(), 'must be given, or else "every", but not both')
  if (every !== undefined) return { every }
  return { cron: cron!, timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone }
}

function isTimeZone (value: unknown): boolean {
  try {
    return typeof value === 'string' && new Intl.DateTimeFormat('en', { timeZone: value }) !== undefined
  } catch {
    return false
  }
}
