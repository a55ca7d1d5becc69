import type { Engine, QueueSettings } from './engine.ts'
import { LocalQueue } from './local/queue.ts'

/** The engine in this process: its tasks end with it, and no server is needed. */
export class LocalEngine implements Engine {
  queue (_kind: string, settings: QueueSettings) {
    return new LocalQueue(settings)
  }

  async open () {}

  async checkConnections () {}

  async ping () {}

  async close () {}
}
