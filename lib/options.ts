import { inspect } from 'node:util'
import type { CancelTaskOptions, FastifyTasksOptions, GetTaskOptions, TaskOptions } from '../types/index.ts'
import { FST_ERR_TASK_INVALID_OPTION, FST_ERR_TASK_INVALID_WORK } from './errors.ts'
import { taskLabel } from './task-label.ts'
import { isThenable } from './thenable.ts'

/** What an option takes: how that is told, and how it is found out. */
interface Rule { expected: string, test: (value: any) => boolean }
type Rules<Options> = { readonly [Option in keyof Options]-?: Rule }

/** The longest delay of a Node timer; it takes a longer one for 1 ms. See https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
export const MAX_DELAY = 2_147_483_647

const isDelay = (value: unknown) => typeof value === 'number' && ((value >= 0 && value <= MAX_DELAY) || value === Infinity)
const isCount = (value: unknown) => (Number.isSafeInteger(value) && (value as number) >= 0) || value === Infinity
const isFunction = (value: unknown) => typeof value === 'function'
const isLogger = (value: any) => isFunction(value?.child) && isFunction(value.debug) && isFunction(value.error)

const delay: Rule = { expected: `a number of milliseconds from 0 to ${MAX_DELAY}, or Infinity`, test: isDelay }
const count: Rule = { expected: 'a whole number from 0, or Infinity', test: isCount }
const flag: Rule = { expected: 'true or false', test: value => typeof value === 'boolean' }

const pluginRules: Rules<FastifyTasksOptions> = {
  cancelTimeout: delay,
  drainTimeout: delay,
  maxTasks: count,
  maxSettled: count,
  onError: { expected: 'a function', test: isFunction }
}

const taskRules: Rules<TaskOptions> = {
  name: { expected: 'a non-empty string', test: value => typeof value === 'string' && value !== '' },
  onDuplicate: {
    expected: '"reject", "replace" or "keep"',
    test: value => value === 'reject' || value === 'replace' || value === 'keep'
  },
  register: flag,
  signal: {
    expected: 'an AbortSignal',
    test: value => typeof value?.aborted === 'boolean' && isFunction(value.addEventListener)
  },
  timeout: {
    expected: `a number of milliseconds above 0 and up to ${MAX_DELAY}, or Infinity`,
    test: value => isDelay(value) && value > 0
  },
  after: { expected: 'a reply', test: value => isFunction(value?.raw?.once) && isLogger(value.log) },
  drain: flag,
  log: { expected: 'a logger', test: isLogger }
}

const getRules: Rules<GetTaskOptions> = {
  optional: flag
}

const cancelRules: Rules<CancelTaskOptions> = {
  ...getRules,
  reason: { expected: 'an Error or a string', test: value => value instanceof Error || typeof value === 'string' },
  timeout: delay
}

function check<Options extends object> (options: Options, rules: Rules<Options>, label: (options: Partial<Options>) => string): void {
  if (typeof options !== 'object' || options === null) {
    throw new FST_ERR_TASK_INVALID_OPTION('options', label({}), 'an object', inspect(options, { depth: 0 }))
  }
  for (const option in options) {
    const value = options[option]
    if (value === undefined || !Object.hasOwn(rules, option)) continue
    const { expected, test } = rules[option]
    if (!test(value)) throw new FST_ERR_TASK_INVALID_OPTION(option, label(options), expected, inspect(value, { depth: 0 }))
  }
}

export type PluginSettings = ReturnType<typeof checkPluginOptions>

/** The plugin's options, checked and complete. */
export function checkPluginOptions (options: FastifyTasksOptions) {
  check(options, pluginRules, () => 'fastify-tasks')
  const { cancelTimeout = 3000, drainTimeout = 5000, maxTasks = Infinity, maxSettled = 1000, onError } = options
  return { cancelTimeout, drainTimeout, maxTasks, maxSettled, onError }
}

export function checkTaskOptions (options: TaskOptions): void {
  check(options, taskRules, taskLabel)
}

export function checkGetOptions (options: GetTaskOptions, name: string): void {
  check(options, getRules, () => taskLabel({ name }))
}

export function checkCancelOptions (options: CancelTaskOptions, task: { name: string | undefined, id?: number }): void {
  check(options, cancelRules, () => taskLabel(task))
}

export function checkWork (work: unknown, options: TaskOptions): void {
  if (isFunction(work) || isThenable(work)) return
  throw new FST_ERR_TASK_INVALID_WORK(taskLabel(options), inspect(work, { depth: 0 }))
}
