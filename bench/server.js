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

// By hand, what the plugin keeps: each by its name, and the last 1,000 that have settled with how and when they did.
const byName = new Map()
const settled = new Array(1000)
let count = 0
app.get('/kept', async ({ id: name }) => {
  if (byName.has(name)) throw new Error(`${name} is there`)
  const entry = { id: count, name, status: 'running', createdAt: Date.now(), settledAt: undefined, outcome: undefined, promise: work() }
  const settle = (status, outcome) => {
    const index = count++ % settled.length
    if (settled[index] !== undefined) byName.delete(settled[index].name)
    settled[index] = entry
    Object.assign(entry, { status, outcome, settledAt: Date.now(), promise: undefined })
  }
  byName.set(name, entry)
  entry.promise.then(result => settle('completed', result), error => settle('failed', error))
  return { ok: true }
})

app.get('/named', async ({ id: name }) => {
  app.addTask(work, { name })
  return { ok: true }
})

process.send(await app.listen({ host: '127.0.0.1', port: 0 }))
process.once('disconnect', () => app.close())
