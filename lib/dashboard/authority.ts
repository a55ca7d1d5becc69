import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { DashboardAction, DashboardSubject, FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import { FST_ERR_TASK_FORBIDDEN } from './errors.ts'

/** Milliseconds that asking may hold up the event loop at a time. */
const SLICE = 5

/** Who may do what: `authorize`, or everyone everything. */
export class Authority {
  readonly #authorize: FastifyTasksDashboardOptions['authorize']

  constructor (authorize: FastifyTasksDashboardOptions['authorize']) {
    this.#authorize = authorize
  }

  /** Whether everyone may do everything. */
  get isOpen () { return this.#authorize === undefined }

  async may (request: FastifyRequest, action: DashboardAction, subject: DashboardSubject): Promise<boolean> {
    return this.#authorize === undefined || await this.#authorize(request, action, subject) === true
  }

  async demand (request: FastifyRequest, action: DashboardAction, subject: DashboardSubject): Promise<void> {
    if (!await this.may(request, action, subject)) throw new FST_ERR_TASK_FORBIDDEN(action)
  }

  /** Those of the subjects that this may be done with. */
  async filter<Subject extends DashboardSubject> (request: FastifyRequest, action: DashboardAction, subjects: Subject[]): Promise<Subject[]> {
    if (this.#authorize === undefined) return subjects
    const allowed = []
    let until = performance.now() + SLICE
    for (const subject of subjects) {
      const answer = this.#authorize(request, action, subject)
      // An await for each of 100,000 plain answers would cost more than the answers.
      if ((typeof answer === 'boolean' ? answer : await answer) === true) allowed.push(subject)
      if (performance.now() < until) continue
      await turn()
      until = performance.now() + SLICE
    }
    return allowed
  }
}
