import type { Queue, StoredTask } from './engine.ts'

/**
 * Reads a task whenever it may have changed, and calls back with what it is then; undefined if nothing is known of it any
 * more. Changes that come while it reads become one read. Answers how to leave.
 */
export function follow (queue: Queue, name: string, id: number, read: (task: StoredTask | undefined) => void): () => void {
  return whenChanged(queue, name, async () => read(await queue.get(name, id)))
}

/** Does something whenever a task may have changed, one after the other; changes that come meanwhile become one. */
export function whenChanged (queue: Queue, name: string | undefined, look: () => Promise<void>): () => void {
  const state = { looking: false, again: false, left: false }
  const leave = queue.watch(name, async () => {
    state.again = true
    if (state.looking) return
    state.looking = true
    while (state.again && !state.left) {
      state.again = false
      // While the server is away it is no use; the queue calls again once it is back.
      await look().catch(() => {})
    }
    state.looking = false
  })
  return () => {
    state.left = true
    leave()
  }
}
