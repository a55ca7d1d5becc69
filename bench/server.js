import Fastify from 'fastify'
import tasks from 'fastify-tasks'

const work = async () => {}

const app = Fastify({ logger: { level: 'warn' } })
await app.register(tasks)

app.get('/none', async () => ({ ok: true }))

app.get('/floating', async () => {
  work()
  return { ok: true }
})

const running = new Set()
app.get('/tracked', async () => {
  const promise = work()
  const untrack = () => running.delete(promise)
  running.add(promise)
  promise.then(untrack, untrack)
  return { ok: true }
})

app.get('/unnamed', async () => {
  app.addTask(work)
  return { ok: true }
})

// By hand: the promises by name, and the last 1,000 that have settled kept, as the plugin does.
const byName = new Map()
const settled = new Array(1000)
let count = 0
app.get('/kept', async ({ id: name }) => {
  if (byName.has(name)) throw new Error(`${name} is there`)
  const promise = work()
  const keep = () => {
    const index = count++ % settled.length
    byName.delete(settled[index])
    settled[index] = name
  }
  byName.set(name, promise)
  promise.then(keep, keep)
  return { ok: true }
})

app.get('/named', async ({ id: name }) => {
  app.addTask(work, { name })
  return { ok: true }
})

process.send(await app.listen({ host: '127.0.0.1', port: 0 }))
process.once('disconnect', () => app.close())
