import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import { registryOf } from '../core/task-registry.ts'
import { readAssets } from './assets.ts'
import { Authority } from './authority.ts'
import { routeEvents } from './events.ts'
import { routeFleet, routeFleetChanges } from './fleet.ts'
import { routeHealth } from './health.ts'
import { Live } from './live.ts'
import { checkOptions } from './options.ts'
import { routePage } from './page.ts'
import { secure } from './security.ts'
import { shownBy } from './shown.ts'
import { TaskLists } from './task-lists.ts'
import { routeTaskChanges, routeTasks } from './tasks.ts'

export * as errors from './errors.ts'
export type * from '../../types/dashboard.ts'

/** How long a stream lasts, and how long it may be silent. */
const STREAM = { lifetime: 5 * 60_000, heartbeat: 15_000 }

async function dashboard (app: FastifyInstance, options: FastifyTasksDashboardOptions) {
  const settings = checkOptions(options)
  const assets = await readAssets(settings.title)
  const authority = new Authority(settings.authorize)
  const show = shownBy(settings.serialize, app.log)
  const lists = new TaskLists(registryOf(app.tasks), authority, show)
  const live = new Live(views => lists.listsJson(views), { ...settings, ...STREAM })

  if (settings.hooks.length === 0) app.log.warn(`the dashboard at ${app.prefix}/ is open to everyone: its onRequest is false`)
  // They are no part of the API that @fastify/swagger documents.
  app.addHook('onRoute', route => { route.schema = Object.assign({ hide: true }, route.schema) })
  // Before the routes, for it guards those that come after it.
  secure(app, settings)
  routePage(app, assets)
  routeHealth(app, lists, settings)
  routeTasks(app, lists)
  routeEvents(app, live, lists.instance)
  routeFleet(app, authority, show)
  if (settings.readOnly) return
  routeTaskChanges(app, lists, authority)
  routeFleetChanges(app, authority, show)
}

/** A page on which operators see what runs, and stop it: `app.register(dashboard, { prefix: '/admin/tasks', onRequest: app.basicAuth })`. */
export default fp(dashboard, {
  fastify: '5.x',
  name: 'fastify-tasks-dashboard',
  dependencies: ['fastify-tasks'],
  encapsulate: true
})
