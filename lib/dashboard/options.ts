import type { DashboardHook, FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import { callback, checkPlugin, count, flag, MAX_DELAY, nonEmpty, type Rules } from '../core/options.ts'
import { FST_ERR_TASK_DASHBOARD_OPEN } from './errors.ts'

const isFunction = (value: unknown) => typeof value === 'function'

/** Whether a value is an origin as browsers send it: without path, default port and capitals. */
function isOrigin (text: unknown): boolean {
  return typeof text === 'string' && URL.canParse(text) && new URL(text).origin === text
}

const rules: Rules<FastifyTasksDashboardOptions> = {
  onRequest: {
    expected: 'a hook, an array of hooks, or false',
    test: value => value === false || value === null || isFunction(value) || (Array.isArray(value) && value.every(isFunction))
  },
  authorize: callback,
  readOnly: flag,
  inspect: flag,
  openapi: flag,
  interval: {
    expected: `a number of milliseconds above 0 and up to ${MAX_DELAY}`,
    test: value => typeof value === 'number' && value > 0 && value <= MAX_DELAY
  },
  maxStreams: count,
  origins: {
    expected: 'an array of origins such as "https://ops.example.com"',
    test: value => Array.isArray(value) && value.every(isOrigin)
  },
  title: nonEmpty,
  serialize: callback
}

export type Settings = ReturnType<typeof checkOptions>

/** The dashboard's options, checked and complete. */
export function checkOptions (options: FastifyTasksDashboardOptions) {
  checkPlugin(options, rules, 'fastify-tasks/dashboard')
  const { onRequest, authorize, readOnly = false, openapi = false, interval = 1000, maxStreams = 20, origins = [], title = 'Tasks', serialize } = options
  const { inspect = serialize === undefined } = options
  const hooks: DashboardHook[] = onRequest === false ? [] : [onRequest ?? []].flat()
  if (onRequest !== false && hooks.length === 0) throw new FST_ERR_TASK_DASHBOARD_OPEN()
  return { hooks, authorize, readOnly, inspect, openapi, interval, maxStreams, origins, title, serialize }
}
