import type { Engine, QueueSettings } from './engine.ts'
import { LocalQueue } from './local/queue.ts'

/** The engine without a server: its tasks end with this process. */
export class LocalEngine implements Engine {
  queue (_kind: string, settings: QueueSettings) {
    return new LocalQueue(settings)
  }

  async open () {}

  async checkConnections () {}

  async ping () {}

  async close () {}
}
