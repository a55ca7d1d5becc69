import { inspect, types } from 'node:util'
import type { CancelOptions, CancelTaskOptions, FastifyTasksOptions, GetTaskOptions, Task, TaskOptions, WatchOptions } from '../../types/index.ts'
import { FST_ERR_TASK_INVALID_OPTION, FST_ERR_TASK_INVALID_WORK } from './errors.ts'
import { suggestion } from './nearest.ts'
import { taskLabel } from './task-label.ts'
import { isGenerator, isThenable } from './work.ts'

/** What an option takes: in words, for error messages, and as a test. */
export interface Rule { expected: string, test: (value: any) => boolean }
export type Rules<Options> = { readonly [Option in keyof Options]-?: Rule }

/** The longest delay of a Node timer. Node turns a longer one into 1 ms. See https://nodejs.org/api/timers.html#settimeoutcallback-delay-args */
export const MAX_DELAY = 2_147_483_647

const isDelay = (value: unknown) => typeof value === 'number' && ((value >= 0 && value <= MAX_DELAY) || value === Infinity)
const isCount = (value: unknown) => (Number.isSafeInteger(value) && (value as number) >= 0) || value === Infinity
const isFunction = (value: unknown) => typeof value === 'function'
const isLogger = (value: any) => isFunction(value?.child) && isFunction(value.debug) && isFunction(value.error)

export const delay: Rule = { expected: `a number of milliseconds from 0 to ${MAX_DELAY}, or Infinity`, test: isDelay }
export const positiveDelay: Rule = {
  expected: `a number of milliseconds above 0 and up to ${MAX_DELAY}, or Infinity`,
  test: value => isDelay(value) && value > 0
}
export const count: Rule = { expected: 'a whole number from 0, or Infinity', test: isCount }
export const flag: Rule = { expected: 'true or false', test: value => typeof value === 'boolean' }
export const nonEmpty: Rule = { expected: 'a non-empty string', test: value => typeof value === 'string' && value !== '' }
export const callback: Rule = { expected: 'a function', test: isFunction }
export const taskLimit: Rule = {
  expected: 'an object with a "key", a non-empty string, and a "max", a whole number above 0 or Infinity, and nothing else',
  test: value => {
    if (typeof value !== 'object' || value === null) return false
    const { key, max, ...rest } = value
    return nonEmpty.test(key) && isCount(max) && max > 0 && Object.keys(rest).length === 0
  }
}
export const duplicatePolicy: Rule = {
  expected: '"reject", "replace" or "keep"',
  test: value => value === 'reject' || value === 'replace' || value === 'keep'
}

/** Options of every plugin that Fastify itself takes. See https://fastify.dev/docs/latest/Reference/Plugins/#plugin-options */
const fastifyOptions = ['prefix', 'logLevel', 'logSerializers']

const pluginRules: Rules<FastifyTasksOptions> = {
  cancelTimeout: delay,
  drainTimeout: delay,
  maxTasks: count,
  maxSettled: count,
  maxSettledAge: delay,
  onError: callback,
  onPurged: callback
}

const taskRules: Rules<TaskOptions> = {
  name: nonEmpty,
  kind: nonEmpty,
  data: { expected: 'any value', test: () => true },
  onDuplicate: duplicatePolicy,
  register: flag,
  limit: taskLimit,
  maxSettledAge: delay,
  signal: {
    expected: 'an AbortSignal',
    test: value => typeof value?.aborted === 'boolean' && isFunction(value.addEventListener) && isFunction(value.removeEventListener)
  },
  timeout: positiveDelay,
  after: {
    expected: 'a reply',
    test: value => isFunction(value?.raw?.once) && typeof value.raw.writableFinished === 'boolean' && isLogger(value.log)
  },
  drain: flag,
  log: { expected: 'a logger', test: isLogger }
}

const getRules: Rules<GetTaskOptions> = { optional: flag }

export const cancelRules: Rules<CancelOptions> = {
  reason: { expected: 'an Error or a string', test: value => value instanceof Error || typeof value === 'string' },
  timeout: delay
}

const cancelTaskRules: Rules<CancelTaskOptions> = { ...cancelRules, ...getRules }

const watchRules: Rules<WatchOptions> = { signal: taskRules.signal, interval: delay }

const purgeRules: Rules<{ which: unknown }> = { which: callback }

/** Whose options there are beside those that are checked: their owners in words, and their rules. */
export type OtherOptions = Readonly<Record<string, object>>

/** The end of a message about an option that does not exist: whose option it is, or else the option that was probably meant. */
function hint (option: string, options: string[], others: OtherOptions): string {
  const owner = Object.keys(others).find(owner => Object.hasOwn(others[owner]!, option))
  return owner === undefined ? suggestion(option, options) : `it is an option of ${owner}`
}

/** Throws `FST_ERR_TASK_INVALID_OPTION` for an option that does not exist, and for a value that an option does not take. */
export function check<Options extends object> (options: Options, rules: Rules<Options>, label: (options: Partial<Options>) => string, others: OtherOptions = {}): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new FST_ERR_TASK_INVALID_OPTION('options', label({}), `must be an object, received ${inspect(options, { depth: 0 })}`)
  }
  for (const option in options) {
    if (!Object.hasOwn(rules, option)) {
      throw new FST_ERR_TASK_INVALID_OPTION(option, label(options), `does not exist, ${hint(option, Object.keys(rules), others)}`)
    }
    const value = options[option]
    if (value === undefined) continue
    const { expected, test } = rules[option]
    if (!test(value)) throw new FST_ERR_TASK_INVALID_OPTION(option, label(options), `must be ${expected}, received ${inspect(value, { depth: 0 })}`)
  }
}

/** Does what `check` does for the options of a plugin. Fastify's own options may be among them. */
export function checkPlugin<Options extends object> (options: Options, rules: Rules<Options>, plugin: string, others?: OtherOptions): void {
  const own = Object.fromEntries(Object.entries(options).filter(([option]) => !fastifyOptions.includes(option)))
  check(own as Options, rules, () => plugin, others)
}

export type PluginSettings = ReturnType<typeof checkPluginOptions>

/** Checks the plugin's options and adds the defaults. */
export function checkPluginOptions (options: FastifyTasksOptions) {
  checkPlugin(options, pluginRules, 'fastify-tasks')
  const { cancelTimeout = 3000, drainTimeout = 5000, maxTasks = Infinity, maxSettled = 1000, maxSettledAge = Infinity, onError, onPurged } = options
  return { cancelTimeout, drainTimeout, maxTasks, maxSettled, maxSettledAge, onError, onPurged }
}

export function checkTaskOptions (options: TaskOptions): void {
  check(options, taskRules, taskLabel)
}

export function checkGetOptions (options: GetTaskOptions, name: string): void {
  check(options, getRules, () => taskLabel({ name }))
}

export function checkCancelTaskOptions (options: CancelTaskOptions, name: string): void {
  check(options, cancelTaskRules, () => taskLabel({ name }))
}

export function checkCancelOptions (options: CancelOptions, task: Pick<Task, 'id' | 'name'>): void {
  check(options, cancelRules, () => taskLabel(task))
}

export function checkWatchOptions (options: WatchOptions, task: Pick<Task, 'id' | 'name'>): void {
  check(options, watchRules, () => taskLabel(task))
}

export function checkPurge (which: unknown): void {
  check({ which }, purgeRules, () => 'purgeTasks')
}

/** Returns what the `which` of a verb returned, as a boolean. A promise is refused: it is always truthy, so it would choose every task. */
export function checkAnswer (answer: unknown, verb: string): boolean {
  if (types.isPromise(answer)) answer.catch(() => {}) // it is refused anyway
  if (isThenable(answer)) throw new FST_ERR_TASK_INVALID_OPTION('which', verb, 'must return true or false, received a promise')
  return Boolean(answer)
}

export function checkWork (work: unknown, options: TaskOptions): void {
  if (isFunction(work) || isThenable(work) || isGenerator(work)) return
  throw new FST_ERR_TASK_INVALID_WORK(taskLabel(options), inspect(work, { depth: 0 }))
}
