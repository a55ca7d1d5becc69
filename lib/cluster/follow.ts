import type { Queue } from './engine.ts'

/**
 * Calls `read` whenever the task of a name may have changed; without a name, any task. Never two reads at a time: changes that come
 * during a read become one more read. Returns a function that ends this.
 */
export function whenChanged (queue: Queue, name: string | undefined, read: () => Promise<void>): () => void {
  const state = { again: false, left: false }
  let reading: Promise<boolean> | undefined
  const readAll = async () => {
    let isRead = true
    while (state.again && !state.left) {
      state.again = false
      // While the server is away a read fails. The queue calls again once the server is back.
      isRead = await read().then(() => true, () => false)
    }
    reading = undefined
    return isRead
  }
  const leave = queue.watch(name, () => {
    state.again = true
    return (reading ??= readAll())
  })
  return () => {
    state.left = true
    leave()
  }
}
