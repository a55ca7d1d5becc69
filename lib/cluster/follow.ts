import type { Queue } from './engine.ts'

/**
 * Calls `read` whenever the task of a name may have changed; without a name, any task. Never two reads at a time: changes that come
 * during a read become one more read. Returns a function that ends this.
 */
export function whenChanged (queue: Queue, name: string | undefined, read: () => Promise<void>): () => void {
  const state = { reading: false, again: false, left: false }
  const leave = queue.watch(name, async () => {
    state.again = true
    if (state.reading) return
    state.reading = true
    while (state.again && !state.left) {
      state.again = false
      // While the server is away a read fails. The queue calls again once the server is back.
      await read().catch(() => {})
    }
    state.reading = false
  })
  return () => {
    state.left = true
    leave()
  }
}
