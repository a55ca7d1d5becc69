import type { Queue } from './engine.ts'

/**
 * Calls `read` whenever the task of a name may have changed; without a name, any task. Never two reads at a time: changes that come
 * during a read become one more read. Returns a function that ends this.
 */
export function whenChanged (queue: Queue, name: string | undefined, read: () => Promise<void>): () => void {
  let isLeft = false
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<boolean> | undefined
  /** Reads once the last read has ended. While the server is away a read fails. The queue calls again once the server is back. */
  const readNext = async () => {
    await last
    last = next!
    next = undefined
    return isLeft || await read().then(() => true, () => false)
  }
  const leave = queue.watch(name, () => (next ??= readNext()))
  return () => {
    isLeft = true
    leave()
  }
}
