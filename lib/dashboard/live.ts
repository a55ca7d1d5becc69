import type { FastifyReply } from 'fastify'
import type { Readable } from 'node:stream'
import { isOver, onceOver } from '../response.ts'
import { FST_ERR_TASK_STREAM_LIMIT } from './errors.ts'
import type { View } from './task-lists.ts'
import { HEARTBEAT, Viewer } from './viewer.ts'

/** Snapshots take one part in so many of the time, and a rest. */
const REST = 20

export interface LiveSettings {
  /** Milliseconds between snapshots, at least. */
  interval: number
  maxStreams: number
  /** Milliseconds after which a stream ends: whoever wants to watch on has to pass the hook again. */
  lifetime: number
}

/** Makes the lists of some views, all at once, or says why it cannot. */
export type Look = (views: readonly View[]) => Promise<PromiseSettledResult<string>[]>

/** Shows the tasks as they change to all who watch, with one timer for all of them, and none while nobody does. */
export class Live {
  readonly #look: Look
  readonly #settings: LiveSettings
  readonly #viewers = new Set<Viewer>()
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
  async watch (view: View, response: FastifyReply['raw']): Promise<Readable> {
    if (this.#viewers.size >= this.#settings.maxStreams) throw new FST_ERR_TASK_STREAM_LIMIT(this.#settings.maxStreams)
    const viewer = new Viewer(view, performance.now() + this.#settings.lifetime)
    this.#viewers.add(viewer)
    if (isOver(response)) this.#leave(viewer)
    else onceOver(response, () => this.#leave(viewer))

    const [list] = await this.#lookAt([viewer])
    if (list!.status === 'rejected') throw list!.reason
    if (this.#closed) viewer.end()
    if (this.#timer === undefined && !this.#showing) this.#shownAt = performance.now()
    this.#schedule()
    return viewer.open(list!.value)
  }

  /** Ends all streams. */
  close (): void {
    this.#closed = true
    for (const viewer of this.#viewers) viewer.end()
  }

  #leave (viewer: Viewer): void {
    viewer.leave()
    this.#viewers.delete(viewer)
    if (this.#viewers.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #lookAt (views: readonly View[]) {
    const began = performance.now()
    const lists = await this.#look(views)
    const now = performance.now()
    this.#restedAt = Math.max(this.#restedAt, now) + REST * (now - began)
    return lists
  }

  get #dueAt () {
    return Math.max(this.#shownAt + this.#settings.interval, this.#restedAt)
  }

  #schedule (): void {
    if (this.#timer !== undefined || this.#showing || this.#viewers.size === 0) return
    const wait = Math.min(this.#dueAt - performance.now(), HEARTBEAT)
    this.#timer = setTimeout(() => this.#tick(), wait).unref()
  }

  async #tick (): Promise<void> {
    this.#timer = undefined
    const now = performance.now()
    for (const viewer of this.#viewers) {
      if (viewer.endsAt <= now) viewer.end()
      else viewer.beat()
    }
    if (now >= this.#dueAt) await this.#show([...this.#viewers].filter(viewer => viewer.isDrained))
    this.#schedule()
  }

  async #show (viewers: Viewer[]): Promise<void> {
    this.#showing = true
    const lists = viewers.length === 0 ? [] : await this.#lookAt(viewers)
    this.#showing = false
    for (const [i, list] of lists.entries()) {
      if (list.status === 'fulfilled') viewers[i]!.show(list.value)
      else viewers[i]!.fail(list.reason)
    }
    this.#shownAt = performance.now()
  }
}
