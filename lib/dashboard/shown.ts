import type { FastifyBaseLogger } from 'fastify'
import type { FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import type { Task } from '../../types/index.ts'

/** What a task of this process and one of the fleet have in common. */
export type AnyTask = Pick<Task, 'name' | 'kind' | 'status'> & { readonly toJSON: () => object }

/** Returns what is shown of a task. */
export type Show = (task: AnyTask) => object

/** Makes a `Show` of the option `serialize`. If `serialize` throws for a task, only its id and status are shown. */
export function shownBy (serialize: FastifyTasksDashboardOptions['serialize'], log: FastifyBaseLogger): Show {
  return function show (task) {
    try {
      return serialize === undefined ? task.toJSON() : { ...serialize(task as Task) }
    } catch (error) {
      log.error({ err: error }, 'serialize of the dashboard threw')
      return {}
    }
  }
}
