import { setImmediate as turn } from 'node:timers/promises'
import type { TaskReply } from '../../types/index.ts'
import { sharedListener } from './shared-listener.ts'

type Response = TaskReply['raw']

/**
 * Whether a response has been sent, or its client has gone. Not stream.finished(), which is silent for those of inject and
 * HTTP/2 that are over. A response of HTTP/2 is never destroyed itself, its stream is closed.
 */
export function isOver (response: Response): boolean {
  return response.writableFinished || response.destroyed === true || ('stream' in response && response.stream.closed)
}

/**
 * Calls back when a response that is not over yet is. HTTP/2 hands its last frames to the socket after it has closed the
 * response. It does not close one that its client resets without an error before all is sent, it aborts the stream.
 */
export const onceOver = sharedListener((response: Response, fire) => {
  if (!('stream' in response)) {
    response.once('close', fire)
    return () => response.off('close', fire)
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

/** Resolves when the responses whose connections a server has cut to close are over: HTTP/2 closes them three turns after itself. */
export async function cutResponsesOver (): Promise<void> {
  for (let i = 0; i < 3; i++) await turn()
}
