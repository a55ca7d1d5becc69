import type { Queue, StoredTask } from './engine.ts'

/**
 * Reads a task whenever it may have changed, and calls back with what it is then; undefined if nothing is known of it any
 * more. Changes that come while it reads become one read. Answers how to leave.
 */
export function follow (queue: Queue, name: string, id: number, read: (task: StoredTask | undefined) => void): () => void {
  let reading = false
  let again = false
  let left = false
  const leave = queue.watch(name, async () => {
    again = true
    if (reading) return
    reading = true
    while (again && !left) {
      again = false
      try {
        const task = await queue.get(name, id)
        if (!left) read(task)
      } catch {
        // The server is away; the queue calls again once it is back.
      }
    }
    reading = false
  })
  return () => {
    left = true
    leave()
  }
}
