import type { Readable } from 'node:stream'
import type { TaskReply } from '../../types/index.ts'
import { isOver, onceOver } from '../core/response.ts'
import { FST_ERR_TASK_STREAM_LIMIT } from './errors.ts'
import { REST } from './rest.ts'
import type { View } from './task-lists.ts'
import { Viewer } from './viewer.ts'

export interface LiveSettings {
  /** Milliseconds between snapshots, at least. */
  interval: number
  maxStreams: number
  /** Milliseconds after which a stream ends. The page then connects again, so that `onRequest` is asked again. */
  lifetime: number
  /** Milliseconds without a frame after which a comment is sent. Many proxies close a stream that is silent for a minute. */
  heartbeat: number
}

/** Returns the list of each view. */
export type Look = (views: readonly View[]) => Promise<string>[]

/** Sends the lists of tasks to all open streams as the tasks change. One timer serves all streams. Without a stream there is no timer. */
export class Live {
  readonly #look: Look
  readonly #settings: LiveSettings
  readonly #viewers = new Set<Viewer>()
  /** Viewers whose stream has not begun, each with the callback that takes its first list. */
  readonly #coming = new Map<Viewer, (list: Promise<string>) => void>()
  #timer: NodeJS.Timeout | undefined = undefined
  #showing = false
  /** When the last snapshot was sent. */
  #shownAt = 0
  /** When the pause after the last snapshot ends. */
  #restedAt = 0
  #closed = false

  constructor (look: Look, settings: LiveSettings) {
    this.#look = look
    this.#settings = settings
  }

  /** Opens the stream of a view for a response. Throws `FST_ERR_TASK_STREAM_LIMIT`. */
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

  /** Resolves to the first list of a stream. Viewers that come in the same turn share one snapshot, as after a restart of the server. */
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

  /** Starts the pause for the processor time used since `began`. Time that `authorize` has waited for an answer does not count. */
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
