import type { FastifyInstance, RegisterOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import { registryOf } from '../core/task-registry.ts'
import { readAssets, type Asset } from './assets.ts'
import { Authority } from './authority.ts'
import { routeEvents } from './events.ts'
import { routeFailures } from './failures.ts'
import { routeFleet } from './fleet.ts'
import { routeFleetChanges } from './fleet-changes.ts'
import { FleetTasks, routeFleetTasks } from './fleet-tasks.ts'
import { routeHealth } from './health.ts'
import { routeHistory } from './history.ts'
import { routeInspection } from './inspection.ts'
import { Live } from './live.ts'
import { checkOptions, type Settings } from './options.ts'
import { routePage } from './page.ts'
import { Recent } from './recent.ts'
import { isolateRoutes } from './replies.ts'
import { secure } from './security.ts'
import { shownBy } from './shown.ts'
import { TaskLists } from './task-lists.ts'
import { routeTaskChanges, routeTasks } from './tasks.ts'
import type { Action } from './wire.ts'

export * as errors from './errors.ts'
export type * from '../../types/dashboard.ts'

/** How many milliseconds a stream lasts, and how many it may be silent. */
const STREAM = { lifetime: 5 * 60_000, heartbeat: 15_000 }

/** How many replies of the task server are kept. All pages share each of them for `interval` ms. */
const MAX_RECENT = 100

const changes: Action[] = ['cancel', 'retry', 'promote', 'purge', 'pause', 'schedule']

async function dashboard (app: FastifyInstance, options: FastifyTasksDashboardOptions) {
  const settings = checkOptions(options)
  const assets = await readAssets(settings.title)
  const { prefix = '', logLevel, logSerializers } = options as RegisterOptions
  // If the prefix ended with a slash, there would be no route for the URL without that slash.
  await app.register(async app => route(app, settings, assets), { prefix: prefix.replace(/\/$/, ''), logLevel, logSerializers } as RegisterOptions)
}

/** Adds the routes of a dashboard to an instance of its own. */
function route (app: FastifyInstance, settings: Settings, assets: Asset[]): void {
  const { readOnly, inspect } = settings
  const tasks = registryOf(app.tasks)
  const authority = new Authority(settings.authorize, [...readOnly ? [] : changes, ...inspect ? ['inspect' as const] : []])
  const show = shownBy(settings.serialize, app.log)
  const lists = new TaskLists(tasks, authority, show)
  const live = new Live(views => lists.listsJson(views), { ...settings, ...STREAM })
  const recent = new Recent(() => performance.now() + settings.interval, MAX_RECENT)
  const fleetTasks = new FleetTasks(app, authority, show, recent)

  if (settings.hooks.length === 0) app.log.warn(`the dashboard at ${app.prefix}/ is open to everyone: its onRequest is false`)
  // Both before the routes, since they apply to the routes that come after them.
  isolateRoutes(app, settings.openapi)
  secure(app, settings)
  routePage(app, assets)
  routeHealth(app, lists, settings)
  routeTasks(app, lists)
  routeEvents(app, live, lists.instance)
  routeHistory(app, tasks, authority)
  routeFleet(app, authority, recent)
  routeFleetTasks(app, authority, fleetTasks)
  routeFailures(app, lists, authority, fleetTasks, recent)
  if (inspect) routeInspection(app, lists, authority)
  if (readOnly) return
  routeTaskChanges(app, lists, authority)
  routeFleetChanges(app, authority, fleetTasks, recent)
}

/** A page on which operators see what runs and what has failed, and act on it: `app.register(dashboard, { prefix: '/admin/tasks', onRequest: app.basicAuth })`. */
export default fp(dashboard, {
  fastify: '5.x',
  name: 'fastify-tasks-dashboard',
  dependencies: ['fastify-tasks']
})
