import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { TaskReply } from '../../types/index.ts'
import { sharedListener } from './shared-listener.ts'

type Response = TaskReply['raw']

/**
 * The socket of a response of HTTP/1, if it has one: those of `inject` have none. A pipelined response that still waits for the
 * one before it has no socket of its own yet, and is not closed with its connection. So it is the request that is asked.
 */
function socketOf (response: ServerResponse): Socket | undefined {
  return response.req?.socket
}

/**
 * Whether a response has been sent, or its client has gone. Not `stream.finished()`, which does not call back for responses of
 * `inject` and HTTP/2 that are over. With HTTP/2 not the response is destroyed, but its stream is closed.
 */
export function isOver (response: Response): boolean {
  return response.writableFinished || response.destroyed === true || ('stream' in response ? response.stream.closed : socketOf(response)?.destroyed === true)
}

const onceSocketCloses = sharedListener((socket: Socket, fire) => {
  socket.once('close', fire)
  return () => socket.off('close', fire)
})

/**
 * Calls back when a response is over. It must not be over yet.
 *
 * HTTP/2 hands its last frames to the socket after it has closed the response. When the client resets the stream without an
 * error before all is sent, the stream is aborted and the response is not closed.
 */
export const onceOver = sharedListener((response: Response, fire) => {
  if (!('stream' in response)) {
    const socket = socketOf(response)
    const stop = socket === undefined ? () => {} : onceSocketCloses(socket, () => onOver())
    const onOver = () => {
      unlisten()
      fire()
    }
    const unlisten = () => {
      response.off('close', onOver)
      stop()
    }
    response.once('close', onOver)
    return unlisten
  }
  const { stream } = response
  const onOver = () => {
    unlisten()
    setImmediate(fire)
  }
  const unlisten = () => {
    response.off('close', onOver)
    stream.off('aborted', onOver)
  }
  response.once('close', onOver)
  stream.once('aborted', onOver)
  return unlisten
})

/** Resolves when the responses are over whose connections a closing server has cut. HTTP/2 closes them three turns of the event loop after itself. */
export async function cutResponsesOver (): Promise<void> {
  for (let i = 0; i < 3; i++) await turn()
}
