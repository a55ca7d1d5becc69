import { setImmediate as turn } from 'node:timers/promises'
import type { TaskReply } from '../types/index.ts'
import { sharedListener } from './shared-listener.ts'

type Response = TaskReply['raw']

/**
 * Whether a response has been sent, or its client has gone. Not stream.finished(), which is silent for those of inject and
 * HTTP/2 that are over. A response of HTTP/2 is never destroyed itself, its stream is.
 */
export function isOver (response: Response): boolean {
  return response.writableFinished || response.destroyed === true || ('stream' in response && response.stream?.destroyed === true)
}

/** Calls back when a response that is not over yet is. HTTP/2 hands its last frames to the socket after it has closed the response. */
export const onceOver = sharedListener((response: Response, fire) => {
  const onClose = 'stream' in response ? () => setImmediate(fire) : fire
  response.once('close', onClose)
  return () => response.off('close', onClose)
})

/** Resolves when the responses whose connections a server has cut to close are over: HTTP/2 closes them three turns after itself. */
export async function cutResponsesOver (): Promise<void> {
  for (let i = 0; i < 3; i++) await turn()
}
