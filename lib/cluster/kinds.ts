import type { FastifyInstance } from 'fastify'
import type { ClusterWork, KindOptions } from '../../types/cluster.ts'
import { suggestion } from '../core/nearest.ts'
import type { TaskRegistry } from '../core/task-registry.ts'
import { ClusterTask } from './cluster-task.ts'
import { DataCheck } from './data.ts'
import type { Engine, Queue, Run, Stopped } from './engine.ts'
import { FST_ERR_TASK_KIND_DEFINED, FST_ERR_TASK_UNKNOWN_KIND, FST_ERR_TASK_UNREACHABLE } from './errors.ts'
import { Kind, type KindPlace } from './kind.ts'
import { Once } from './once.ts'
import { checkKind, type ClusterSettings } from './options.ts'
import { onSettledWith, runWith } from './run.ts'

/** A kind that this process has defined, and how its tasks run here. */
interface Defined {
  readonly kind: Kind
  readonly queue: Queue
  readonly data: DataCheck
  readonly run: Run
}

/** The kinds that this process has defined. Runs their tasks from when the app is ready, and hands running ones over when it closes. */
export class Kinds {
  readonly #engine: Engine
  readonly #settings: ClusterSettings
  /** Runs the work. It closes after the fleet's tasks were handed over; that of an instance which defines a kind may close before. */
  readonly #registry: TaskRegistry
  readonly #kinds = new Map<string, Defined>()
  /** The app begins to close. */
  readonly #closing = new Once()
  /** Nothing runs in this process any more. */
  readonly #stopped = new Once<Promise<void>>()
  #state: 'defining' | 'ready' | 'closing' | 'left' = 'defining'
  #opening: Promise<void> | undefined

  constructor (engine: Engine, settings: ClusterSettings, registry: TaskRegistry) {
    this.#engine = engine
    this.#settings = settings
    this.#registry = registry
  }

  [Symbol.iterator] (): Iterator<Kind> {
    return Array.from(this.#kinds.values(), ({ kind }) => kind).values()
  }

  define (app: FastifyInstance, name: string, work: ClusterWork, options: KindOptions = {}): Kind {
    const { timeout, deadline, schema, onSettled, ...settings } = checkKind(name, work, options, this.#settings)
    if (this.#kinds.has(name)) throw new FST_ERR_TASK_KIND_DEFINED(name, 'it is defined already')
    if (this.#state !== 'defining') throw new FST_ERR_TASK_KIND_DEFINED(name, 'the app is ready')
    const queue = this.#engine.queue(name, {
      ...settings,
      ...onSettled !== undefined && { onSettled: onSettledWith(this.#registry, app, name, onSettled, task => new ClusterTask(place, task)) }
    })
    const data = new DataCheck(name, app, schema)
    const isClosed = () => this.#state === 'closing' || this.#state === 'left'
    const place: KindPlace = {
      kind: name,
      cancelTimeout: this.#settings.cancelTimeout,
      get closed () { return isClosed() },
      queue: async () => {
        await this.#open()
        return queue
      },
      accept: (value, label) => data.accept(value, label),
      onceClosing: callback => this.#closing.subscribe(callback),
      onceStopped: callback => this.#stopped.subscribe(callback)
    }
    const kind = new Kind(place)
    this.#kinds.set(name, { kind, queue, data, run: runWith(this.#registry, app, name, work, { timeout, deadline, backoff: settings.backoff }) })
    return kind
  }

  get (name: string): Kind {
    return this.#find(name).kind
  }

  async ping (): Promise<void> {
    await this.#open()
    await this.#engine.ping()
  }

  /** The server with its host and port. Undefined without a server. */
  get place (): string | undefined {
    return this.#engine.place
  }

  /** Opens the engine, and starts to run the tasks of the kinds that the option `work` names. Returns the names of these kinds. */
  async start (): Promise<string[]> {
    this.#state = 'ready'
    for (const { data } of this.#kinds.values()) data.compile()
    const worked = this.#worked()
    try {
      await this.#open()
      await Promise.all(worked.map(({ queue, run }) => queue.work(run)))
      await this.#engine.checkConnections()
      return worked.map(({ kind }) => kind.name)
    } catch (error) {
      await this.#engine.close()
      throw error
    }
  }

  /** Ends all watches: an open stream of states must not hold up the close. */
  endWatches (): void {
    this.#closing.happen()
  }

  /** Takes no more tasks and hands over those that run. Returns what became of the tasks: the kind and name of each. */
  async close (): Promise<Record<keyof Stopped, string[]>> {
    this.#state = 'closing'
    const { drainTimeout, cancelTimeout } = this.#settings
    const stopped = await Promise.all(Array.from(this.#kinds, async ([kind, { queue }]) => ({ kind, ...await queue.stop(drainTimeout, cancelTimeout) })))
    const namesOf = (fate: keyof Stopped) => stopped.flatMap(queue => queue[fate].map(name => `${queue.kind} "${name}"`))
    await Promise.all(this.#stopped.happen())
    this.#state = 'left'
    await this.#engine.close()
    return { handedOver: namesOf('handedOver'), cancelled: namesOf('cancelled'), left: namesOf('left') }
  }

  #worked (): Defined[] {
    const { work } = this.#settings
    if (typeof work === 'boolean') return work ? [...this.#kinds.values()] : []
    return work.map(name => this.#find(name, 'the option "work" names it; '))
  }

  /** Throws `FST_ERR_TASK_UNKNOWN_KIND` if there is no such kind. `why` is said before what kinds there are. */
  #find (name: string, why = ''): Defined {
    const defined = this.#kinds.get(name)
    if (defined !== undefined) return defined
    const names = [...this.#kinds.keys()]
    throw new FST_ERR_TASK_UNKNOWN_KIND(name, `(${why}${names.length === 0 ? 'none is defined' : suggestion(name, names)})`)
  }

  /** Opens the engine once, by the first verb or when the app is ready. Tries again after a failure. */
  #open (): Promise<void> {
    if (this.#state === 'left') throw new FST_ERR_TASK_UNREACHABLE(': the app has closed')
    if (this.#opening === undefined) {
      this.#opening = this.#engine.open()
      this.#opening.catch(() => { this.#opening = undefined })
    }
    return this.#opening
  }
}
