// An upload that a task imports. The request streams its body to a file first and is answered then: the body of a request
// ends with its response, so a task cannot read it later. With several fields or files in a form, use @fastify/multipart
// in place of the parser below: `(await request.file()).file` is a stream, too.
import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import tasks, { type Task } from 'fastify-tasks'

export interface UploadOptions {
  /** Where the files are until they are imported. */
  folder: string
  /** Bytes that one file may have. Default: 100 MB */
  maxBytes?: number
}

interface Upload { file: string }

async function * linesOf (chunks: AsyncIterable<string>) {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    yield * lines
  }
  if (rest !== '') yield rest
}

async function * importFile (app: FastifyInstance, { data: { file }, signal }: Task<unknown, Upload>) {
  try {
    const { size } = await stat(file)
    const input = createReadStream(file, { encoding: 'utf8', signal })
    let rows = 0
    for await (const row of linesOf(input)) {
      if (row === '') throw new Error(`Row ${rows + 1} is empty`) // your import goes here
      if (++rows % 1000 === 0) yield { bytes: input.bytesRead, size }
    }
    yield { bytes: size, size }
    return { rows }
  } finally {
    await rm(file)
  }
}

export default async function upload (app: FastifyInstance, { folder, maxBytes = 100_000_000 }: UploadOptions) {
  // Without a parser of its own, Fastify refuses this type of content. This one leaves the body a stream.
  app.addContentTypeParser('text/csv', async (request: unknown, body: Readable) => body)

  async function * limited (chunks: AsyncIterable<Buffer>) {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > maxBytes) throw Object.assign(new Error(`A file may have ${maxBytes} bytes`), { statusCode: 413 })
      yield chunk
    }
  }

  app.post<{ Body: Readable }>('/imports', async (request, reply) => {
    const id = randomUUID()
    const file = join(folder, `${id}.csv`)
    try {
      await pipeline(request.body, limited, createWriteStream(file)) // rejects, too, when the client leaves
      const task = app.addTask(importFile, { name: `${app.prefix}/imports/${id}`, data: { file } })
      return reply.code(202).header('location', task.name).send(task)
    } catch (error) {
      await rm(file, { force: true })
      throw error
    }
  })

  app.get<{ Params: { id: string } }>('/imports/:id', async request => app.getTask(`${app.prefix}/imports/${request.params.id}`))
}

export async function program (app: FastifyInstance) {
  const folder = await mkdtemp(join(tmpdir(), 'uploads-'))
  app.addHook('onClose', () => rm(folder, { recursive: true })) // before the plugin, so that it runs after the tasks have ended
  await app.register(tasks)
  await app.register(upload, { folder })
}
