// A soak: many tasks of every kind with a bounded number alive, then a close over many live ones. It says what it found
// and exits with 1 if anything is left. `npm run soak`, or with fewer: node --expose-gc test/soak.ts 30000 5000
import { getEventListeners } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import tasks, { type Task } from '../../index.ts'

const [, , total = '300000', liveAtClose = '50000'] = process.argv
const LIVE_AT_MOST = 500
const HEAP_GROWTH_MB = 4

await setImmediate() // a loader may warn of itself until here
const unhandled: unknown[] = []
const warnings: Error[] = []
process.on('unhandledRejection', error => { unhandled.push(error) })
process.on('warning', warning => { warnings.push(warning) })

function untilAborted (_app: unknown, { signal }: Task): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

async function aMoment () {
  await setImmediate()
}

async function fails () {
  await setImmediate()
  throw new Error('as it should')
}

/** Adds one task of each kind, and sees to it that all of them end. */
function addOneOfEach (app: FastifyInstance, i: number, shared: AbortSignal, reply: PassThrough) {
  app.addTask(() => i)
  app.addTask(aMoment)
  app.addTask(aMoment, { name: `named ${i}` })
  app.addTask(aMoment, { register: false, drain: true })
  app.addTask(aMoment, { signal: shared })
  app.addTask(aMoment, { after: { raw: reply as never, log: app.log } })
  app.addTask(aMoment, { timeout: 60_000 })
  app.addTask(aMoment, { name: 'kept', onDuplicate: 'keep' })
  app.addTask(aMoment()).finished.then(() => {})
  app.addTask(fails)
  app.addTask(fails(), { name: `failed ${i}` })
  app.addTask(() => { throw new Error('as it should') })
  app.addTask(untilAborted, { timeout: 1 })
  app.addTask(untilAborted, { name: 'replaced', onDuplicate: 'replace' })
  app.addTask(untilAborted, { name: `cancelled ${i}`, signal: shared })
  app.addTask(fails()).cancel()
  app.cancelTask(`cancelled ${i}`)
  return 16
}

async function soak (app: FastifyInstance, total: number) {
  const { signal: shared } = new AbortController()
  for (let i = 0, added = 0; added < total; i++) {
    const reply = new PassThrough()
    added += addOneOfEach(app, i, shared, reply)
    reply.resume().end()
    if (i % 100 === 0) app.purgeTasks()
    while (app.tasks.size > LIVE_AT_MOST) {
      await setImmediate()
      app.purgeTasks()
    }
  }
  await app.cancelTask('replaced')
  await app.tasks.idle()
  app.purgeTasks()
  return getEventListeners(shared, 'abort').length
}

async function heapUsed () {
  for (let i = 0; i < 5; i++) {
    await setImmediate()
    globalThis.gc!()
  }
  return process.memoryUsage().heapUsed
}

const alive = setInterval(() => {}, 60_000) // no timer of a task holds the process
const app = Fastify()
await app.register(tasks, { onError () {} })
await app.ready()
await soak(app, 20_000) // what is compiled and cached on the way is not a leak
const before = await heapUsed()

const listenersLeft = await soak(app, Number(total))
const tasksLeft = app.tasks.size
const { signal: shared } = new AbortController()
for (let i = 0; i < Number(liveAtClose); i++) app.addTask(untilAborted, { name: `live ${i}`, signal: shared })
const closing = performance.now()
await app.close()
const closeMs = Math.round(performance.now() - closing)
await app.tasks.idle()
app.purgeTasks()
clearInterval(alive)
const heapGrowthMb = Math.round((await heapUsed() - before) / 1e5) / 10

const found = {
  'tasks left': tasksLeft + app.tasks.size,
  'listeners left': listenersLeft + getEventListeners(shared, 'abort').length,
  'unhandled rejections': unhandled.length,
  warnings: warnings.length
}
console.log(`${total} mixed tasks, then a close over ${liveAtClose} live ones in ${closeMs} ms; heap growth ${heapGrowthMb} MB`)
console.log(found)
if (heapGrowthMb > HEAP_GROWTH_MB || Object.values(found).some(count => count > 0)) {
  console.error('something is left', unhandled.slice(0, 3), warnings.slice(0, 3))
  process.exitCode = 1
}
