import type { Queue } from './engine.ts'

/**
 * Reads whenever a task may have changed, one read after the other: changes that come while it reads become one read. Without a
 * name it reads at changes of any task. Returns how to leave.
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
