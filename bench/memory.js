import { Effect } from 'effect'
import PQueue from 'p-queue'
import { openFiberMap, readyApp } from './contenders.js'

const COUNT = 100_000

function heapUsed () {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

/** Bytes of a live task, its name and what its promise keeps of it included. */
function bytes (start) {
  const before = heapUsed()
  for (let i = 0; i < COUNT; i++) start(`report:${i}`)
  return Math.round((heapUsed() - before) / COUNT)
}

/** What a live named task takes in memory, as the table's row. */
export async function memory () {
  const app = await readyApp()
  // It keeps everything alive that waits for it.
  const never = new Promise(() => {})
  const queue = new PQueue()
  const { run } = openFiberMap()
  const effect = Effect.promise(() => never)

  const cells = {
    queue: bytes(id => { queue.add(() => never, { id }) }),
    fiberMap: bytes(name => { run(name, effect) }),
    tasks: bytes(name => { app.addTask(() => never, { name }) })
  }
  return [{ what: 'bytes of a live named task', cells, goals: { '≤ 450': cells.tasks <= 450 } }]
}
