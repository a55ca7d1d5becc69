import { Queue, type QueueOptions } from 'bullmq'
import { settlesWithin } from '../../core/within.ts'
import type { Engine, QueueSettings } from '../engine.ts'
import { Cancellations } from './cancellations.ts'
import { Leases } from './leases.ts'
import { BullQueue } from './queue.ts'
import { HealthMonitor, type EngineLog } from './health-monitor.ts'
import { repeatStrategy } from './schedules.ts'
import type { Shared } from './shared.ts'
import type { Store } from './store.ts'

export interface BullSettings {
  readonly timeout: number
  readonly stallTimeout: number
  readonly telemetry: object | undefined
  readonly log: EngineLog
}

/** The queue for leases, marks and limits. A kind's queue cannot have this name: there, four hex digits follow each `%`. */
export const SIDE_QUEUE = '%side'
/** Milliseconds after which an entry of the side queue is removed: its process has died and left it. */
const LEFT = 7 * 86_400_000
/** Milliseconds that connections have to close. */
const CLOSING = 1000

/** Tasks as jobs of BullMQ, on Redis or PostgreSQL. */
export class BullEngine implements Engine {
  readonly place: string
  readonly #store: Store
  readonly #log: EngineLog
  readonly #shared: Shared
  readonly #queues: BullQueue[] = []
  #side: Queue | undefined

  constructor (store: Store, { timeout, stallTimeout, telemetry, log }: BullSettings) {
    this.place = `${store.product} at ${store.server}`
    this.#store = store
    this.#log = log
    const health = new HealthMonitor(store, timeout, log)
    const side = () => this.#side!
    const relay = { ...store.options, namespace: 'tasks', backend: store.relayBackend }
    this.#shared = {
      store,
      health,
      log,
      stallTimeout,
      records: side,
      leases: new Leases(side, timeout),
      cancellations: new Cancellations(side, relay, error => health.report(error)),
      options: { settings: { repeatStrategy }, ...(telemetry !== undefined && { telemetry }) } as Omit<QueueOptions, 'connection'>
    }
  }

  queue (kind: string, settings: QueueSettings): BullQueue {
    const queue = new BullQueue(kind, settings, this.#shared)
    this.#queues.push(queue)
    return queue
  }

  async open (): Promise<void> {
    const { health } = this.#shared
    await health.open()
    this.#side = new Queue(SIDE_QUEUE, this.#store.optionsOf(SIDE_QUEUE), this.#store.backend) as Queue
    this.#side.on('error', error => health.report(error))
    this.#side.clean(LEFT, 1000, 'wait').catch(error => health.report(error))
  }

  async checkConnections (): Promise<void> {
    const counts = await this.#store.connections(this.#queues.length).catch(() => undefined)
    if (counts === undefined || counts.most <= counts.allowed / 2) return
    this.#log.warn(`This process may open ${counts.most} of the ${counts.allowed} connections that the task server at ${this.#store.server} allows: ` +
      'raise that limit, or run fewer kinds in one process')
  }

  async ping (): Promise<void> {
    await this.#shared.health.run(() => this.#store.ping())
  }

  async close (): Promise<void> {
    const { health, cancellations } = this.#shared
    await health.settled()
    health.close()
    const closed = Promise.allSettled([...this.#queues.map(queue => queue.close()), cancellations.close(), this.#side?.close()])
    await settlesWithin(closed, CLOSING)
    await this.#store.close()
  }
}
