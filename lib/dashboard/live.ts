import type { Readable } from 'node:stream'
import type { TaskReply } from '../../types/index.ts'
import { isOver, onceOver } from '../core/response.ts'
import { FST_ERR_TASK_STREAM_LIMIT } from './errors.ts'
import type { View } from './task-lists.ts'
import { Viewer } from './viewer.ts'

/** Snapshots take one part in so many of the time, and a rest. */
const REST = 20

export interface LiveSettings {
  /** Milliseconds between snapshots, at least. */
  interval: number
  maxStreams: number
  /** Milliseconds after which a stream ends: whoever wants to watch on has to pass the hook again. */
  lifetime: number
  /** Milliseconds without a frame after which a comment is sent, for proxies that cut off what is silent for a minute. */
  heartbeat: number
}

/** Makes the list of each of some views. */
export type Look = (views: readonly View[]) => Promise<string>[]

/** Shows the tasks as they change to all who watch, with one timer for all of them, and none while nobody does. */
export class Live {
  readonly #look: Look
  readonly #settings: LiveSettings
  readonly #viewers = new Set<Viewer>()
  /** Those whose stream has not begun, and what takes their first list. */
  readonly #coming = new Map<Viewer, (list: Promise<string>) => void>()
  #timer: NodeJS.Timeout | undefined = undefined
  #showing = false
  /** When everyone was shown the tasks. */
  #shownAt = 0
  /** When the time is made up for that looking has taken. */
  #restedAt = 0
  #closed = false

  constructor (look: Look, settings: LiveSettings) {
    this.#look = look
    this.#settings = settings
  }

  /** A stream of the lists of a view, for a response. */
  async watch (view: View, response: TaskReply['raw']): Promise<Readable> {
    if (this.#viewers.size >= this.#settings.maxStreams) throw new FST_ERR_TASK_STREAM_LIMIT(this.#settings.maxStreams)
    const viewer = new Viewer(view, response, performance.now() + this.#settings.lifetime)
    this.#viewers.add(viewer)
    if (isOver(response)) this.#leave(viewer)
    else onceOver(response, () => this.#leave(viewer))

    const list = await this.#firstList(viewer)
    if (this.#closed) viewer.end()
    if (this.#timer === undefined) this.#shownAt = performance.now()
    this.#schedule()
    return viewer.open(list)
  }

  /** Ends all streams and their connections. */
  close (): void {
    this.#closed = true
    for (const viewer of this.#viewers) viewer.close()
  }

  /** The list that a stream begins with. Those who come together are looked for together, as after a restart of the server. */
  #firstList (viewer: Viewer): Promise<string> {
    return new Promise(resolve => {
      if (this.#coming.size === 0) setImmediate(() => this.#welcome())
      this.#coming.set(viewer, resolve)
    })
  }

  async #welcome (): Promise<void> {
    const coming = [...this.#coming]
    this.#coming.clear()
    const began = process.cpuUsage()
    const lists = this.#look(coming.map(([viewer]) => viewer))
    for (const [i, [, resolve]] of coming.entries()) resolve(lists[i]!)
    await Promise.allSettled(lists)
    this.#rest(began)
  }

  #leave (viewer: Viewer): void {
    viewer.leave()
    this.#viewers.delete(viewer)
    if (this.#viewers.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Makes up for the processor's time since then; not for the time that `authorize` may have waited for an answer. */
  #rest (began: NodeJS.CpuUsage): void {
    const { user, system } = process.cpuUsage(began)
    this.#restedAt = Math.max(this.#restedAt, performance.now()) + REST * (user + system) / 1000
  }

  get #dueAt () {
    return this.#showing ? Infinity : Math.max(this.#shownAt + this.#settings.interval, this.#restedAt)
  }

  #schedule (): void {
    if (this.#timer !== undefined || this.#viewers.size === 0) return
    const wait = Math.max(0, Math.min(this.#dueAt - performance.now(), this.#settings.heartbeat))
    this.#timer = setTimeout(() => this.#tick(), wait).unref()
  }

  #tick (): void {
    const now = performance.now()
    for (const viewer of this.#viewers) {
      if (viewer.endsAt <= now) viewer.end()
      else viewer.beat(this.#settings.heartbeat)
    }
    if (now >= this.#dueAt) this.#show()
    this.#timer = undefined
    this.#schedule()
  }

  async #show (): Promise<void> {
    this.#showing = true
    const began = process.cpuUsage()
    const viewers = [...this.#viewers].filter(viewer => viewer.isDrained)
    const lists = viewers.length === 0 ? [] : this.#look(viewers)
    await Promise.all(lists.map((list, i) => viewers[i]!.follow(list)))
    this.#rest(began)
    this.#shownAt = performance.now()
    this.#showing = false
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#schedule()
  }
}
