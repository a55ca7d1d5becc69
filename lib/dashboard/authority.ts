import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { DashboardAction, DashboardSubject, FastifyTasksDashboardOptions } from '../../types/dashboard.ts'
import { isThenable } from '../core/work.ts'
import { FST_ERR_TASK_FORBIDDEN } from './errors.ts'
import { Round } from './round.ts'
import type { Action } from './wire.ts'

/** How many milliseconds calls of `authorize` may block the event loop at a time. */
const SLICE = 5

/** How many milliseconds a list waits for answers about its tasks. */
const PATIENCE = 1000

/** The subjects that are allowed, and the number of those about which `authorize` has not answered yet. */
export interface Allowed<Subject> {
  allowed: Subject[]
  pending: number
  /** How many milliseconds the calls of `authorize` have blocked the event loop. */
  took: number
}

/** Asks `authorize` who may do what. Without `authorize` everyone may do everything. */
export class Authority {
  readonly #authorize: FastifyTasksDashboardOptions['authorize']
  /** The actions that this dashboard has routes for. */
  readonly #actions: ReadonlySet<Action>
  /** The rounds that are not complete, by the request of their stream. */
  readonly #rounds = new WeakMap<FastifyRequest, Map<DashboardAction, Round>>()

  constructor (authorize: FastifyTasksDashboardOptions['authorize'], actions: Iterable<Action>) {
    this.#authorize = authorize
    this.#actions = new Set(actions)
  }

  /** True if there is no `authorize`, so that everyone may do everything. */
  get isOpen () { return this.#authorize === undefined }

  async may (request: FastifyRequest, action: DashboardAction, subject: DashboardSubject): Promise<boolean> {
    return this.#authorize === undefined || await this.#authorize(request, action, subject) === true
  }

  async demand (request: FastifyRequest, action: DashboardAction, subject: DashboardSubject): Promise<void> {
    if (!await this.may(request, action, subject)) throw new FST_ERR_TASK_FORBIDDEN(action)
  }

  /** Returns the actions that the caller may do with a subject. */
  async actions (request: FastifyRequest, subject: DashboardSubject, actions: readonly Action[]): Promise<Action[]> {
    const possible = this.possible(actions)
    const answers = await Promise.all(possible.map(action => this.may(request, action, subject)))
    return possible.filter((_, i) => answers[i])
  }

  /** Returns the actions that this dashboard has routes for. */
  possible (actions: readonly Action[]): Action[] {
    return actions.filter(action => this.#actions.has(action))
  }

  /** Returns the subjects that the caller may do this with. */
  async filter<Subject extends DashboardSubject> (request: FastifyRequest, action: DashboardAction, subjects: readonly Subject[]): Promise<Subject[]> {
    const { allowed } = await this.#ask(request, action, subjects, new Round(Infinity))
    return allowed
  }

  /**
   * As `filter()`, but it waits no longer than a second and returns what is known then. In a stream, later answers count in the
   * next list.
   */
  async filterSoon<Subject extends DashboardSubject> (request: FastifyRequest, action: DashboardAction, subjects: readonly Subject[]): Promise<Allowed<Subject>> {
    const rounds = this.#rounds.get(request)
    const round = rounds?.get(action) ?? new Round(PATIENCE)
    rounds?.delete(action)
    const answer = await this.#ask(request, action, subjects, round)
    if (round.isLate) this.#rounds.set(request, (rounds ?? new Map<DashboardAction, Round>()).set(action, round))
    return answer
  }

  /** Asks about the last subject first, since lists begin with the newest tasks, which come last. */
  async #ask<Subject extends DashboardSubject> (
    request: FastifyRequest, action: DashboardAction, subjects: readonly Subject[], round: Round
  ): Promise<Allowed<Subject>> {
    const authorize = this.#authorize
    if (authorize === undefined) return { allowed: [...subjects], pending: 0, took: 0 }
    const plain = new Array<boolean | undefined>(subjects.length) // has its full length at once: an empty array that is filled from its end is slow
    let took = 0
    let began = performance.now()
    let until = began + SLICE
    const pause = async (end: Promise<void>) => {
      took += performance.now() - began
      await end
      began = performance.now()
    }
    for (let i = subjects.length - 1; i >= 0; i--) {
      const subject = subjects[i]!
      if (round.skips(subject)) continue
      const answer: unknown = authorize(request, action, subject)
      // An await for each of 100,000 plain answers would cost more than the answers.
      if (isThenable(answer)) await pause(round.add(subject, answer as PromiseLike<boolean>))
      else plain[i] = answer === true
      if (performance.now() < until) continue
      await pause(turn())
      until = performance.now() + SLICE
    }
    await pause(round.wait())
    const answers = subjects.map((subject, i) => plain[i] ?? round.answer(subject))
    round.close(subjects.filter((_, i) => plain[i] === undefined))
    return {
      allowed: subjects.filter((_, i) => answers[i]),
      pending: answers.filter(answer => answer === undefined).length,
      took: took + performance.now() - began
    }
  }
}
