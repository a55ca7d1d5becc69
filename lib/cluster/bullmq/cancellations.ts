import { Relay, type Queue, type RelayOptions } from 'bullmq'
import type { StoredError, StoredTask } from '../engine.ts'
import { encodeName } from './ids.ts'
import { pack, unpack, type Packed } from './packed.ts'

const TOPIC = 'cancel'
/** Milliseconds that a process remembers a cancellation. It may get the task only after the message. */
const MEMORY = 60_000

/** A cancellation that is stored. */
export interface Mark {
  readonly error: StoredError
  readonly at: number
  /** The task has settled with it. */
  readonly settled: boolean
}

/** Which task is cancelled, and which try of it. */
export type Try = Pick<StoredTask, 'name' | 'id' | 'retries'>

interface Message {
  queue: string
  /** Made by `tryOf`. */
  id: string
  error: Packed
}

/** The id of a try, in messages and marks. It contains the name, because tasks of two schedules may have the same id: their time. */
export function tryOf ({ name, id, retries }: Try): string {
  return `${id}.${retries}.${encodeName(name)}`
}

/**
 * Cancels running tasks in other processes. A mark is stored first, as a job in a queue that no worker takes from, for the process that
 * takes the task over if its worker dies. Then the fleet is notified over BullMQ's relay.
 */
export class Cancellations {
  readonly #marks: () => Queue
  readonly #memory: number
  readonly #relay: () => Relay
  #opened: Relay | undefined
  #subscribed: Promise<Relay> | undefined
  readonly #listeners = new Map<string, (id: string, error: StoredError) => void>()
  readonly #received = new Map<string, { error: StoredError, until: number }>()

  constructor (marks: () => Queue, options: RelayOptions, report: (error: Error) => void, memory = MEMORY) {
    this.#marks = marks
    this.#memory = memory
    this.#relay = () => new Relay(options).on('error', report)
  }

  /** Calls back for every cancellation of a running task of a queue. */
  async listen (queue: string, notified: (id: string, error: StoredError) => void): Promise<void> {
    this.#listeners.set(queue, notified)
    await this.#open()
  }

  /** Stores that a task is cancelled. The first mark stays. */
  async mark (queue: string, task: StoredTask, error: StoredError): Promise<void> {
    const at = Date.now()
    // Entries of the side queue are removed when they are old. A task of a schedule may wait for longer than that.
    await this.#marks().add('cancel', { error: pack(error), at }, { jobId: markId(queue, tryOf(task)), timestamp: Math.max(at, task.startsAt ?? 0) })
  }

  /** Stores that a waiting task has settled with its mark, and that this was announced. */
  async settle (queue: string, task: Try): Promise<void> {
    const job = await this.#marks().getJob(markId(queue, tryOf(task)))
    await job?.updateData({ ...job.data, settled: true }).catch(unlessGone)
  }

  async markOf (queue: string, task: Try): Promise<Mark | undefined> {
    const job = await this.#marks().getJob(markId(queue, tryOf(task)))
    return job === undefined ? undefined : { error: unpack(job.data.error) as StoredError, at: job.data.at, settled: job.data.settled === true }
  }

  /** Removes the mark of a task that has settled. */
  forget (queue: string, task: Try): void {
    this.#marks().remove(markId(queue, tryOf(task))).catch(() => {})
  }

  /** Notifies the process that runs the task, whichever that is. */
  async notify (queue: string, task: Try, error: StoredError): Promise<void> {
    const relay = await this.#open()
    await relay.publish(TOPIC, { queue, id: tryOf(task), error: pack(error) } satisfies Message)
  }

  /** The reason of a cancellation that this process received before it was given the task. */
  recall (queue: string, task: Try): StoredError | undefined {
    return this.#received.get(markId(queue, tryOf(task)))?.error
  }

  async close (): Promise<void> {
    await this.#opened?.close()
  }

  /** Opens the relay when it is first needed: it has connections of its own. A relay that could not begin never will, so it is replaced. */
  #open (): Promise<Relay> {
    if (this.#subscribed === undefined) {
      const relay = this.#opened = this.#relay()
      this.#subscribed = this.#subscribe(relay)
      this.#subscribed.catch(() => {
        this.#subscribed = undefined
        relay.close().catch(() => {})
      })
    }
    return this.#subscribed
  }

  async #subscribe (relay: Relay): Promise<Relay> {
    await relay.subscribe<Message>(TOPIC, ({ data: { queue, id, error } }) => {
      const reason = unpack(error) as StoredError
      this.#remember(markId(queue, id), reason)
      this.#listeners.get(queue)?.(id, reason)
    })
    return relay
  }

  #remember (key: string, error: StoredError) {
    const now = Date.now()
    for (const [old, { until }] of this.#received) {
      if (until > now) break // they are in the order in which they end
      this.#received.delete(old)
    }
    if (!this.#received.has(key)) this.#received.set(key, { error, until: now + this.#memory })
  }
}

/** The worker that took the task has ended it, and has removed its mark. */
function unlessGone (error: { code?: unknown }): void {
  if (error.code !== -1) throw error
}

function markId (queue: string, id: string): string {
  return `~${id}@${queue}`
}
