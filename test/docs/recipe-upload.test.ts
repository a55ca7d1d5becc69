import { EventEmitter, once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { connect, type AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import upload from '../../examples/upload.ts'
import { buildApp } from '../core/fixtures/app.ts'

const headers = { 'content-type': 'text/csv' }

async function importer (t: Test, maxBytes?: number) {
  const folder = t.testdir()
  const { app } = await buildApp(t)
  await app.register(upload, { folder, ...maxBytes !== undefined && { maxBytes } })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, url, folder }
}

t.test('an upload is answered with a task that imports the file and removes it', async t => {
  const { app, url, folder } = await importer(t)
  const rows = Array.from({ length: 2500 }, (_, row) => `Ada ${row},1815`)

  const response = await fetch(`${url}/imports`, { method: 'POST', headers, body: rows.join('\n') })

  t.equal(response.status, 202)
  const name = response.headers.get('location')!
  t.same(await app.getTask(name).finished, { rows: 2500 })
  t.match(await (await fetch(url + name)).json(), { status: 'completed', progress: { bytes: rows.join('\n').length } })
  t.strictSame(await readdir(folder), [])
})

t.test('an import that fails removes its file', async t => {
  const { app, url, folder } = await importer(t)

  const response = await fetch(`${url}/imports`, { method: 'POST', headers, body: 'Ada\n\nGrace\n' })

  await t.rejects(app.getTask(response.headers.get('location')!).finished, { message: 'Row 2 is empty' })
  t.strictSame(await readdir(folder), [])
})

t.test('a file that is too large is a 413, and leaves neither a file nor a task', async t => {
  const { app, url, folder } = await importer(t, 1000)

  const response = await fetch(`${url}/imports`, { method: 'POST', headers, body: 'x'.repeat(1001) })

  t.equal(response.status, 413)
  t.strictSame(await readdir(folder), [])
  t.equal(app.tasks.size, 0)
})

t.test('if the client leaves during an upload, neither a file nor a task is left', async t => {
  const folder = t.testdir()
  const events = new EventEmitter()
  const { app } = await buildApp(t)
  const left = once(events, 'left')
  app.addHook('onError', async () => { events.emit('left') })
  await app.register(upload, { folder })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('POST /imports HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\nAda')
  while ((await readdir(folder)).length === 0) await turn()

  socket.destroy()
  await left

  t.strictSame(await readdir(folder), [])
  t.equal(app.tasks.size, 0)
})

t.test('after its reply, a request whose body nobody has read has 0 bytes', async t => {
  const { app } = await buildApp(t)
  const sizes: number[] = []
  app.addContentTypeParser('text/csv', async (request: unknown, body: Readable) => body)
  app.post<{ Body: Readable }>('/', async (request, reply) => {
    app.addTask(async () => {
      let size = 0
      for await (const chunk of request.body) size += (chunk as Buffer).length
      sizes.push(size)
    }, { name: 'late', after: reply })
    return reply.code(202).send()
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  for (let i = 0; i < 5; i++) {
    await fetch(url, { method: 'POST', headers, body: 'x'.repeat(1000) })
    await app.tasks.idle()
  }

  t.strictSame(sizes, [0, 0, 0, 0, 0])
})
