import { Readable } from 'node:stream'
import type { TaskReply } from '../../types/index.ts'
import type { View } from './task-lists.ts'

/** One open stream of server-sent events. See https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class Viewer implements View {
  readonly request
  readonly query
  /** When the stream ends, on the clock of `performance.now()`. */
  readonly endsAt: number
  readonly #response: TaskReply['raw']
  #stream: Readable | undefined = undefined
  #list = ''
  #frame = ''
  #sentAt = performance.now()
  #ended = false
  /** Resolves the promise of `follow()`. */
  #followed = () => {}
  /** Resumes the generator, which waits for the next frame. */
  #proceed: (() => void) | undefined = undefined

  constructor ({ request, query }: View, response: TaskReply['raw'], endsAt: number) {
    this.request = request
    this.query = query
    this.#response = response
    this.endsAt = endsAt
  }

  /** Whether the client has taken the last frame. A client that reads slowly gets no other frame until then. */
  get isDrained () {
    return this.#proceed !== undefined && this.#stream!.readableFlowing === true
  }

  /** Opens the stream. Its first frame is this list. */
  open (list: string): Readable {
    this.#list = list
    this.#stream = Readable.from(this.#frames(), { highWaterMark: 0 })
    return this.#stream
  }

  /** Sends a list once it is made, unless it equals the last one. If making it fails, the connection is closed. */
  follow (list: Promise<string>): Promise<void> {
    return new Promise(resolve => {
      this.#followed = resolve
      list.then(this.#show.bind(this), this.#fail.bind(this)).then(resolve)
    })
  }

  /** Sends a comment if nothing was sent for `heartbeat` ms. */
  beat (heartbeat: number): void {
    if (this.isDrained && performance.now() - this.#sentAt >= heartbeat) this.#send(':\n\n')
  }

  /** Ends the stream. If the client does not read, the connection is destroyed, since the client would not read the end either. */
  end (): void {
    const { isDrained } = this
    this.leave()
    if (!isDrained && this.#stream !== undefined) this.#response.destroy()
  }

  /** Ends the stream and its HTTP/2 session, since the server's close would wait for it. HTTP/1 closes the connection by `connection: close`. */
  close (): void {
    const session = 'stream' in this.#response ? this.#response.stream.session : undefined
    const { isDrained } = this
    this.end()
    if (isDrained) session?.close()
    else session?.destroy()
  }

  /** Stops sending, and lets the generator end. A generator that kept waiting would never be destroyed. */
  leave (): void {
    this.#ended = true
    this.#followed()
    this.#resume()
  }

  #show (list: string): void {
    if (!this.isDrained || list === this.#list) return
    this.#list = list
    this.#send(`event: tasks\ndata: ${list}\n\n`)
  }

  #fail (error: unknown): void {
    this.request.log.error({ err: error }, 'the dashboard could not list the tasks')
    this.#response.destroy()
  }

  #send (frame: string): void {
    this.#sentAt = performance.now()
    this.#frame = frame
    this.#resume()
  }

  #resume (): void {
    this.#proceed?.()
    this.#proceed = undefined
  }

  async * #frames () {
    yield `retry: 1000\nevent: tasks\ndata: ${this.#list}\n\n`
    while (!this.#ended) {
      await new Promise<void>(resolve => { this.#proceed = resolve })
      if (!this.#ended) yield this.#frame
    }
  }
}
