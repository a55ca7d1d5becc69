import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Authority } from './authority.ts'
import { kindOf, kindsOf, type Kind } from './cluster.ts'
import { historyQuery } from './query.ts'
import type { Recent } from './recent.ts'
import { sendFresh, sendJson } from './replies.ts'
import type { Action, ErrorState, FleetKind, FleetKinds, History, HistoryMinute } from './wire.ts'

const MINUTE = 60_000
const MINUTES = 60

/** What can be done with a kind as a whole. */
const kindActions: Action[] = ['cancel', 'retry', 'purge', 'pause', 'schedule']

/** What a reply says of a kind, whoever asks. */
export type KindState = Omit<FleetKind, 'can'>

/** Adds the routes that read the kinds of the fleet: their counts, schedules, latency and workers, and what settled in the last hour. */
export function routeFleet (app: FastifyInstance, authority: Authority, recent: Recent): void {
  app.get('/kinds', async (request, reply) => {
    const visible = await visibleKinds(app, authority, request)
    const kinds = await Promise.all(visible.map(async kind => {
      const state = await readKind(kind, recent)
      // While the task server does not answer, nothing can be done.
      const can = state.error === null ? await authority.actions(request, { kind: kind.name }, kindActions) : []
      return { ...state, can }
    }))
    return sendJson(reply, JSON.stringify({ kinds, time: Date.now() } satisfies FleetKinds))
  })

  app.get<{ Querystring: { kind?: string } }>('/kinds/history', { schema: { querystring: historyQuery } }, async (request, reply) => {
    const { kind } = request.query
    const all = kind === undefined ? kindsOf(app) : [kindOf(app, kind)]
    const visible = await authority.filter(request, 'view', all.map(of => ({ kind: of.name, of })))
    const histories = await Promise.all(visible.map(({ of }) => recent.get(`history ${of.name}`, () => of.history())))
    const minutes = kind !== undefined && visible.length === 0 ? null : addUp(histories)
    return sendFresh(request, reply, JSON.stringify({ minutes } satisfies History))
  })
}

/** The kinds that the caller may view as a whole. */
export async function visibleKinds (app: FastifyInstance, authority: Authority, request: FastifyRequest): Promise<Kind[]> {
  const visible = await authority.filter(request, 'view', kindsOf(app).map(of => ({ kind: of.name, of })))
  return visible.map(({ of }) => of)
}

/** Reads a kind. If that fails, the result has the error. */
export async function readKind (kind: Kind, recent: Recent): Promise<KindState> {
  return await recent.get(`kind ${kind.name}`, async () => {
    const state: KindState = { kind: kind.name, counts: null, paused: null, schedules: null, latency: null, workers: null, error: null }
    try {
      const [counts, paused, schedules, latency, workers] = await Promise.all([
        kind.count(), kind.isPaused(), kind.schedules(), kind.latency(), kind.workers()
      ])
      return {
        ...state,
        counts,
        paused,
        schedules: schedules.map(({ data: _, ...schedule }) => schedule),
        latency,
        workers: workers.map(({ host, pid, since = null }) => ({ host, pid, since }))
      }
    } catch (error) {
      return { ...state, error: toErrorState(error) }
    }
  })
}

/** What a reply says of an error of the task server. */
export function toErrorState (error: unknown): ErrorState {
  const { name, message, code } = error as ErrorState
  return { name, message, code }
}

/** The sum of some histories, minute by minute. */
function addUp (histories: { time: number, completed: number, failed: number }[][]): HistoryMinute[] {
  const present = Math.floor(Date.now() / MINUTE) * MINUTE
  const minutes = Array.from({ length: MINUTES }, (_, i): HistoryMinute => ({
    time: present - (MINUTES - 1 - i) * MINUTE, completed: 0, failed: 0, cancelled: 0
  }))
  for (const { time, completed, failed } of histories.flat()) {
    const minute = minutes[MINUTES - 1 - Math.round((present - time) / MINUTE)]
    if (minute === undefined) continue
    minute.completed += completed
    minute.failed += failed
  }
  return minutes
}
