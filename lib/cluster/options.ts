import { Cron } from 'croner'
import { inspect } from 'node:util'
import type { AddClusterTaskOptions, ClusterOptions, KindOptions, ListOptions, NewClusterTask, When } from '../../types/cluster.ts'
import type { CancelTaskOptions, GetTaskOptions } from '../../types/index.ts'
import { FST_ERR_TASK_INVALID_OPTION, FST_ERR_TASK_INVALID_WORK } from '../core/errors.ts'
import { check, checkCancelTaskOptions, checkGetOptions, checkPlugin, count, delay, duplicatePolicy, flag, limit, MAX_DELAY, nonEmpty, type Rule, type Rules } from '../core/options.ts'
import { taskLabel } from '../core/task-label.ts'
import { taskStatuses } from '../core/task-state.ts'
import type { QueueSettings } from './engine.ts'

const isWhole = (value: unknown, from: number) => Number.isSafeInteger(value) && (value as number) >= from
const isObject = (value: any) => typeof value === 'object' && value !== null

/** A number of milliseconds that may not be Infinity. */
const finite: Rule = { expected: `a number of milliseconds from 0 to ${MAX_DELAY}`, test: value => delay.test(value) && value !== Infinity }
const finiteAbove: Rule = { expected: `a number of milliseconds above 0 and up to ${MAX_DELAY}`, test: value => finite.test(value) && value > 0 }
const fromOne: Rule = { expected: 'a whole number from 1', test: value => isWhole(value, 1) }

const pluginRules: Rules<ClusterOptions> = {
  connection: { expected: 'a connection', test: () => true }, // checked where it is read, and never shown: there may be a password in it
  prefix: nonEmpty,
  work: {
    expected: 'true, false or an array of names of kinds',
    test: value => typeof value === 'boolean' || (Array.isArray(value) && value.every(nonEmpty.test))
  },
  maxSettled: count,
  cancelTimeout: delay,
  drainTimeout: delay,
  stallTimeout: finiteAbove,
  timeout: finiteAbove,
  migrate: flag,
  telemetry: { expected: "BullMQ's telemetry", test: isObject }
}

const kindRules: Rules<KindOptions> = {
  concurrency: fromOne,
  globalConcurrency: { expected: 'a whole number from 1, or Infinity', test: value => value === Infinity || isWhole(value, 1) },
  limit: {
    expected: '{ max, duration }: a whole number from 1, and milliseconds above 0',
    test: value => isObject(value) && fromOne.test(value.max) && finiteAbove.test(value.duration)
  },
  attempts: fromOne,
  backoff: {
    expected: 'a number of milliseconds, or { type: "fixed" or "exponential", delay, jitter from 0 to 1 }',
    test: value => finite.test(value) || (isObject(value) && finite.test(value.delay) &&
      [undefined, 'fixed', 'exponential'].includes(value.type) && (value.jitter === undefined || (value.jitter >= 0 && value.jitter <= 1)))
  },
  timeout: limit,
  maxStalls: { expected: 'a whole number from 0', test: value => isWhole(value, 0) },
  maxSettled: count,
  schema: { expected: 'a JSON schema', test: value => isObject(value) || typeof value === 'boolean' }
}

const scheduledRules = {
  priority: { expected: 'a whole number from 1 to 2097151', test: (value: unknown) => isWhole(value, 1) && (value as number) < 2 ** 21 }
}

const newTaskRules = {
  ...scheduledRules,
  name: nonEmpty,
  delay: finite
}

const addRules: Rules<AddClusterTaskOptions> = { ...newTaskRules, onDuplicate: duplicatePolicy }

const addManyRules: Rules<NewClusterTask> = { ...newTaskRules, data: { expected: 'any JSON', test: () => true } }

const listRules: Rules<ListOptions> = {
  status: {
    expected: `one or more of ${taskStatuses.join(', ')}`,
    test: value => (Array.isArray(value) ? value : [value]).every(status => taskStatuses.includes(status))
  },
  offset: { expected: 'a whole number from 0', test: value => isWhole(value, 0) },
  limit: { expected: 'a whole number from 0', test: value => isWhole(value, 0) }
}

const whenRules: Rules<When> = {
  cron: { expected: 'a cron expression that comes to pass', test: value => nextRun(value) !== undefined },
  timeZone: { expected: 'an IANA time zone', test: value => isTimeZone(value) },
  every: { expected: `a whole number of milliseconds from 1 to ${MAX_DELAY}`, test: value => isWhole(value, 1) && value <= MAX_DELAY }
}

export type ClusterSettings = ReturnType<typeof checkClusterOptions>

/** The plugin's options, checked and complete. */
export function checkClusterOptions (options: ClusterOptions) {
  checkPlugin(options, pluginRules, 'fastify-tasks/cluster')
  const { prefix } = options // which is one of Fastify's own, too
  check({ prefix } as Pick<ClusterOptions, 'prefix'>, { prefix: nonEmpty }, () => 'fastify-tasks/cluster')
  return {
    connection: options.connection,
    prefix: prefix ?? 'tasks',
    work: options.work ?? true,
    maxSettled: options.maxSettled ?? 1000,
    cancelTimeout: options.cancelTimeout ?? 3000,
    drainTimeout: options.drainTimeout ?? 5000,
    stallTimeout: options.stallTimeout ?? 30_000,
    timeout: options.timeout ?? 5000,
    migrate: options.migrate ?? true,
    telemetry: options.telemetry
  }
}

export interface KindSettings extends QueueSettings {
  readonly timeout: number
  readonly schema: unknown
}

/** The options of a kind, checked and complete. */
export function checkKind (kind: unknown, work: unknown, options: KindOptions, maxSettled: number): KindSettings {
  checkName(kind, 'defineTask')
  const label = `kind "${kind as string}"`
  if (typeof work !== 'function') throw new FST_ERR_TASK_INVALID_WORK(label, inspect(work, { depth: 0 }))
  check(options, kindRules, () => label)
  const { backoff = 0 } = options
  const { type = 'fixed', delay = 0, jitter = 0 } = typeof backoff === 'number' ? { delay: backoff } : backoff
  return {
    concurrency: options.concurrency ?? 10,
    globalConcurrency: options.globalConcurrency ?? Infinity,
    limit: options.limit,
    attempts: options.attempts ?? 1,
    backoff: { type, delay, jitter },
    timeout: options.timeout ?? Infinity,
    maxStalls: options.maxStalls ?? 2,
    maxSettled: options.maxSettled ?? maxSettled,
    schema: options.schema
  }
}

export function checkAdd (options: AddClusterTaskOptions): void {
  check(options, addRules, taskLabel)
}

export function checkAddMany (tasks: readonly NewClusterTask[]): void {
  if (!Array.isArray(tasks)) throw new FST_ERR_TASK_INVALID_OPTION('tasks', 'addTasks', `must be an array, received ${inspect(tasks, { depth: 0 })}`)
  for (const task of tasks) check(task, addManyRules, taskLabel)
}

function checkName (name: unknown, verb: string): void {
  if (nonEmpty.test(name)) return
  throw new FST_ERR_TASK_INVALID_OPTION('name', verb, `must be ${nonEmpty.expected}, received ${inspect(name, { depth: 0 })}`)
}

export function checkGet (name: string, options: GetTaskOptions): void {
  checkName(name, 'getTask')
  checkGetOptions(options, name)
}

export function checkCancelTask (name: string, options: CancelTaskOptions): void {
  checkName(name, 'cancelTask')
  checkCancelTaskOptions(options, name)
}

export function checkList (options: ListOptions): void {
  check(options, listRules, () => 'tasks')
}

/** Answers when to run, without options that are not given. */
export function checkSchedule (name: string, when: When, options: { priority?: number | undefined }): When {
  checkName(name, 'scheduleTask')
  const label = () => `schedule "${name}"`
  check(when, whenRules, label)
  check(options, scheduledRules, label)
  const { cron, timeZone, every } = when
  if ((cron === undefined) === (every === undefined)) throw new FST_ERR_TASK_INVALID_OPTION('cron', label(), 'must be given, or every: one of them')
  if (every !== undefined) return { every }
  return { cron: cron!, timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone }
}

export function checkUnschedule (name: string, options: GetTaskOptions): void {
  checkName(name, 'unscheduleTask')
  checkGetOptions(options, name)
}

function nextRun (cron: unknown): Date | undefined {
  try {
    return new Cron(cron as string, { paused: true }).nextRun() ?? undefined
  } catch {
    return undefined
  }
}

function isTimeZone (value: unknown): boolean {
  try {
    return typeof value === 'string' && new Intl.DateTimeFormat('en', { timeZone: value }) !== undefined
  } catch {
    return false
  }
}
