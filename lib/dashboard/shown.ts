import type { FastifyBaseLogger } from 'fastify'
import type { FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import type { Task } from '../../types/index.ts'

/** What a task of this process and one of the fleet have in common. */
export type AnyTask = Pick<Task, 'name' | 'kind' | 'status'> & { readonly toJSON: () => object }

/** Tells what may be shown of a task. */
export type Show = (task: AnyTask) => object

/** Makes what shows tasks of `serialize`. Of a task for which that throws, nothing is shown. */
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
