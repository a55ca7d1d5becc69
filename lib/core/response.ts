import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type { TaskReply } from '../../types/index.ts'
import { sharedListener } from './shared-listener.ts'

type Response = TaskReply['raw']

/**
 * The socket of an HTTP/1 response, if there is one: `inject` has none. It comes from the request. A pipelined response that
 * still waits for the one before it has no socket yet, and is not closed with its connection.
 */
function socketOf (response: ServerResponse): Socket | undefined {
  return response.req?.socket
}

/**
 * Whether a response has been sent, or its client has gone. `stream.finished()` does not work here: it does not call back for
 * responses of `inject` and HTTP/2 that are over. HTTP/2 does not destroy the response: it closes the response's stream.
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
 * HTTP/2 hands its last frames to the socket after it has closed the response. If the client resets the stream without an
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

/** Waits until all responses are over that a closing server has cut off. HTTP/2 closes them three turns of the event loop after the server. */
export async function waitForCutResponses (): Promise<void> {
  for (let i = 0; i < 3; i++) await turn()
}
