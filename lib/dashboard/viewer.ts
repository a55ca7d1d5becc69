import { Readable } from 'node:stream'
import type { TaskReply } from '../../types/index.ts'
import type { View } from './task-lists.ts'

/** One who watches: a stream of server-sent events. See https://html.spec.whatwg.org/multipage/server-sent-events.html */
export class Viewer implements View {
  readonly request
  readonly query
  /** On the clock of `performance.now()`. */
  readonly endsAt: number
  readonly #response: TaskReply['raw']
  #stream: Readable | undefined = undefined
  #list = ''
  #frame = ''
  #sentAt = performance.now()
  #ended = false
  /** Lets go of who waits for a list to be sent. */
  #followed = () => {}
  /** Lets the stream go on, which has sent all it had and waits. */
  #proceed: (() => void) | undefined = undefined

  constructor ({ request, query }: View, response: TaskReply['raw'], endsAt: number) {
    this.request = request
    this.query = query
    this.#response = response
    this.endsAt = endsAt
  }

  /** Whether the last frame has been taken. A client that reads slowly gets no other before. */
  get isDrained () {
    return this.#proceed !== undefined && this.#stream!.readableFlowing === true
  }

  /** The stream, which begins with a list. */
  open (list: string): Readable {
    this.#list = list
    this.#stream = Readable.from(this.#frames(), { highWaterMark: 0 })
    return this.#stream
  }

  /** Sends a list once it is made, unless it is the last one over again. One that is not made cuts the stream off. */
  follow (list: Promise<string>): Promise<void> {
    return new Promise(resolve => {
      this.#followed = resolve
      list.then(this.#show.bind(this), this.#fail.bind(this)).then(resolve)
    })
  }

  /** Sends a comment if nothing else was sent for so many ms. */
  beat (heartbeat: number): void {
    if (this.isDrained && performance.now() - this.#sentAt >= heartbeat) this.#send(':\n\n')
  }

  /** Ends the stream. One whose client does not read is cut off, for its end would not be read either. */
  end (): void {
    const { isDrained } = this
    this.leave()
    if (!isDrained && this.#stream !== undefined) this.#response.destroy()
  }

  /** Ends the stream and its connection, for which the server's close would wait. HTTP/1 ends that by itself, as its headers say. */
  close (): void {
    const session = 'stream' in this.#response ? this.#response.stream.session : undefined
    const { isDrained } = this
    this.end()
    if (isDrained) session?.close()
    else session?.destroy()
  }

  /** Sends nothing any more. A stream that waited on would never be destroyed either. */
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
