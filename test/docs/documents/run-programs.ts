// Runs programs of documents, one after the other, in one process: `start` one, ask its server, `finish` it.
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { fileURLToPath } from 'node:url'
import { format } from 'node:util'
import type { FastifyInstance, FastifyListenOptions } from 'fastify'
import WebSocket from 'ws'
import type { Task } from '../../../index.ts'

interface App {
  instance: FastifyInstance
  closed: boolean
  routes: Map<string, { method: string, url: string, websocket: boolean }>
}

let file = ''
let apps: App[] = []
let printed: Array<{ line: number, text: string }> = []
let problems: string[] = []
let listeners = new Map<string | symbol, Function[]>()

channel('fastify.initialization').subscribe(message => {
  const { fastify } = message as { fastify: FastifyInstance }
  const app: App = { instance: fastify, closed: false, routes: new Map() }
  apps.push(app)
  const listen = fastify.listen.bind(fastify) as (options: FastifyListenOptions) => Promise<string>
  // Any free port, whatever the document says, so that programs don't get in each other's way.
  fastify.listen = ((options: FastifyListenOptions) => listen({ ...options, host: '127.0.0.1', port: 0 })) as typeof fastify.listen
  fastify.addHook('onRoute', ({ method, url, ...route }) => {
    for (const each of [method].flat()) {
      if (each === 'HEAD' || each === 'OPTIONS') continue
      app.routes.set(`${each} ${url}`, { method: each, url, websocket: 'websocket' in route && Boolean(route.websocket) })
    }
  })
  fastify.addHook('onRequest', async ({ method, routeOptions }) => { app.routes.delete(`${method} ${routeOptions.url}`) })
  fastify.addHook('onError', async (request, reply, error) => {
    if ((error.statusCode ?? 500) === 500) problems.push(`${request.method} ${request.url}: ${error.stack}`)
  })
  fastify.addHook('onClose', async () => { app.closed = true })
})

tracingChannel<unknown, { task: Task }>('fastify-tasks.task').error.subscribe(message => {
  const { task } = message as { task: Task }
  problems.push(`Task ${task.name ?? task.id} failed: ${told(task.error)}`)
})

function told (error: unknown): string {
  return error instanceof Error ? error.stack ?? String(error) : format(error)
}

function addProblem (error: unknown) {
  problems.push(told(error))
}

console.log = (...values) => {
  // The caller's line in the program is its line in the document.
  const frame = new Error().stack!.split('\n').find(line => line.includes(fileURLToPath(file)))
  printed.push({ line: Number(/:(\d+):\d+\)?$/.exec(frame ?? '')?.[1]), text: format(...values) })
}

/** Runs a program, up to its end or until its apps listen. Tells where the first one does. */
async function start (url: string) {
  file = url
  apps = []
  printed = []
  problems = []
  listeners = new Map(process.eventNames().map(event => [event, process.rawListeners(event)]))
  process.on('unhandledRejection', addProblem).on('uncaughtException', addProblem).on('warning', addProblem)
  await import(url).catch(async error => {
    await finish()
    throw error
  })
  for (const { instance, closed } of apps) {
    if (!closed && !instance.server.listening) await instance.listen()
  }
  return { url: urlOf(apps[0]) }
}

function urlOf (app: App | undefined): string {
  const address = app?.instance.server.address()
  return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : ''
}

/** Asks for every route that nobody has asked for, then closes the apps. Tells what went wrong, and what was printed. */
async function finish () {
  const open = apps.filter(app => !app.closed)
  for (const app of open) {
    for (const { method, url, websocket } of [...app.routes.values()]) {
      const target = urlOf(app) + url.replace(/:\w+(\([^)]*\))?/g, '1').replace('*', 'x')
      await (websocket ? exchange(target.replace('http', 'ws')) : request(method, target)).catch(error => {
        problems.push(`${method} ${url}: ${told(error)}`)
      })
    }
  }
  for (const { instance } of open) {
    const idle = (instance as { tasks?: FastifyInstance['tasks'] }).tasks?.idle()
    await Promise.race([idle, new Promise(resolve => setTimeout(resolve, 100))]) // a task may well be endless
    instance.server.closeAllConnections()
    await instance.close()
  }
  await new Promise(resolve => setImmediate(resolve)) // for rejections that nobody handles
  for (const event of process.eventNames()) {
    for (const listener of process.rawListeners(event)) {
      if (!listeners.get(event)?.includes(listener)) process.off(event, listener as () => void)
    }
  }
  return { problems, printed }
}

async function request (method: string, url: string) {
  const withBody = method !== 'GET' && method !== 'DELETE'
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(60_000),
    ...withBody && { headers: { 'content-type': 'application/json' }, body: '{}' }
  })
  await response.body?.cancel() // it may be endless
}

async function exchange (url: string) {
  const socket = new WebSocket(url)
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  socket.send('hello')
  socket.close()
  await new Promise(resolve => socket.on('close', resolve))
}

const verbs = { start, finish }

process.on('message', async ({ verb, url }: { verb: keyof typeof verbs, url: string }) => {
  const answer = await verbs[verb](url).catch(error => ({ error: told(error) }))
  process.send!(answer)
})
