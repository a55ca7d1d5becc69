import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import type { EventSource } from './store.ts'

/** ms after which it reads without a notification. BullMQ sends none while another transaction notifies. */
const POLL = 250
/** ms until it connects again. */
const RECONNECT = 200
/** Events that one statement reads at most. */
const BATCH = 1000
/** How far before the last event it reads again, in ids: an event may be committed after a later one. */
const OVERLAP = 1000

const READ = `
SELECT queue, id, event, data FROM event
WHERE queue = ANY($1) AND id > $2 AND id NOT IN (SELECT unnest($3::bigint[]))
ORDER BY id LIMIT ${BATCH}`

/**
 * Reads the events of all watched queues of PostgreSQL over one connection. BullMQ's `QueueEvents` takes a connection for each queue, and
 * skips an event that is committed after a later one.
 */
export class EventFeed {
  readonly #connect: () => Promise<PoolClient>
  readonly #sources = new Map<string, EventEmitter>()
  /** The greatest id that was read. */
  #last = Infinity
  /** Of the ids that are read again, those that were read before. */
  #seen: number[] = []
  #running = false
  #isDue = false
  #wake = () => {}

  constructor (connect: () => Promise<PoolClient>) {
    this.#connect = connect
  }

  /** The events of a queue from now on. A few earlier ones may come again. */
  open (queue: string): EventSource {
    const source = new EventEmitter()
    this.#sources.set(queue, source)
    if (!this.#running) this.#run()
    this.#notified()
    return Object.assign(source, {
      close: async () => {
        this.#sources.delete(queue)
        this.#notified()
      }
    })
  }

  async #run () {
    this.#running = true
    while (this.#sources.size > 0) {
      await this.#follow().catch(async error => {
        for (const source of this.#sources.values()) source.emit('error', error)
        await sleep(RECONNECT, undefined, { ref: false })
      })
    }
    this.#running = false
  }

  /** Reads until nobody listens any more or the connection is lost. */
  async #follow () {
    const client = await this.#connect()
    try {
      client.on('notification', ({ payload }) => { if (this.#sources.has(payload!)) this.#notified() })
      await client.query('LISTEN bullmq_events')
      const { rows: [{ last_value: last }] } = await client.query('SELECT last_value FROM event_seq')
      this.#last = Math.min(this.#last, Number(last))
      while (this.#sources.size > 0) {
        this.#isDue = false
        const isFull = await this.#read(client) === BATCH
        if (!isFull) await this.#due()
      }
    } finally {
      client.release(true) // it still listens
    }
  }

  /** Returns how many events there were. */
  async #read (client: PoolClient): Promise<number> {
    const { rows } = await client.query(READ, [[...this.#sources.keys()], this.#last - OVERLAP, this.#seen])
    for (const row of rows) {
      const id = Number(row.id)
      this.#last = Math.max(this.#last, id)
      this.#seen.push(id)
      const { returnvalue } = row.data
      this.#sources.get(row.queue)?.emit(row.event, { ...row.data, ...typeof returnvalue === 'string' && { returnvalue: JSON.parse(returnvalue) } })
    }
    if (rows.length > 0) this.#seen = this.#seen.filter(id => id > this.#last - OVERLAP)
    return rows.length
  }

  #notified () {
    this.#isDue = true
    this.#wake()
  }

  /** Resolves when there may be something to read. */
  async #due () {
    if (this.#isDue) return
    let timer
    await new Promise<void>(resolve => {
      this.#wake = resolve
      timer = setTimeout(resolve, POLL)
    })
    clearTimeout(timer)
  }
}
