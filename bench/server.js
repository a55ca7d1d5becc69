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
app.get('/unnamed', async () => {
  app.addTask(work)
  return { ok: true }
})
app.get('/named', async request => {
  app.addTask(work, { name: request.id })
  return { ok: true }
})

process.send(await app.listen({ host: '127.0.0.1', port: 0 }))
process.once('disconnect', () => app.close())
