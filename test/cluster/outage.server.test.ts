import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import tasks from '../../index.ts'
import cluster from '../../lib/cluster/index.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { processEvents } from '../core/fixtures/process-events.ts'
import { Journal } from './fixtures/journal.ts'
import { skipWithout, startServer } from './fixtures/servers.ts'

for (const name of ['redis', 'postgres'] as const) {
  t.test(name, { skip: skipWithout(name, { own: true }) }, async t => {
    /** An app on a server that can be stopped, and what the app logs. */
    async function buildApp (t: Parameters<typeof processEvents>[0], connection: string | object, work: (task: any) => unknown, options = {}) {
      const lines: any[] = []
      const logged = new EventEmitter()
      const stream = {
        write (line: string) {
          lines.push(JSON.parse(line))
          logged.emit('line')
        }
      }
      const app = Fastify({ pluginTimeout: 0, logger: { level: 'info', stream } })
      t.teardown(() => app.close())
      await app.register(tasks)
      await app.register(cluster, { connection, prefix: 'outage', timeout: 5000, stallTimeout: 4000, drainTimeout: 100, cancelTimeout: 5000, ...options })
      const kind = app.cluster.defineTask('report', async (_app, task) => work(task))
      /** Resolves once a line of that level has been logged. */
      const untilLogged = async (level: number, message: RegExp) => {
        while (!lines.some(line => line.level === level && message.test(line.msg))) await once(logged, 'line')
      }
      return { app, kind, lines, untilLogged }
    }

    async function ownServer (t: Parameters<typeof processEvents>[0]) {
      const server = await startServer(name, { own: true })
      t.teardown(server.remove)
      const { app } = await buildApp(t, server.url, () => {}, { timeout: 60_000 })
      await app.ready() // it prepares the server, which may take longer than the apps of the tests wait
      await app.close()
      return { url: server.url, server: server.process! }
    }

    t.test('if no server listens, ready() rejects within timeout, and names host and port but not the password', async t => {
      const { app, lines } = await buildApp(t, `${name}://someone:secret@127.0.0.1:1/0`, () => {}, { timeout: 1000 })
      const began = Date.now()
      const error: any = await Promise.resolve(app.ready()).then(() => t.fail('it is ready'), error => error)
      t.ok(Date.now() - began < 30_000)
      t.match(error, { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503, message: /127\.0\.0\.1:1\b/ })
      t.notMatch(`${error.stack} ${JSON.stringify(error)} ${JSON.stringify(lines)} ${error.cause}`, /secret/)
      await app.close()
    })

    t.test('if a server takes the connection and does not answer, ready() rejects within timeout', async t => {
      const silent = createServer(socket => { socket.on('error', () => {}) }).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      t.teardown(() => silent.close())
      const { app } = await buildApp(t, `${name}://127.0.0.1:${(silent.address() as AddressInfo).port}`, () => {})
      const began = Date.now()
      await t.rejects(Promise.resolve(app.ready()), { code: 'FST_ERR_TASK_UNREACHABLE' })
      t.ok(Date.now() - began < 30_000)
      await app.close()
    })

    t.test('while the server is away every verb rejects within timeout; once it is back, all goes on', async t => {
      const unhandled = processEvents(t, 'unhandledRejection')
      const { url, server } = await ownServer(t)
      const journal = new Journal()
      // A client that gives up at once, as some are set up for requests. It makes no difference.
      const impatient = { enableOfflineQueue: false, autoResubscribe: false, autoResendUnfulfilledCommands: false }
      const connection = name === 'redis' ? { url, ...impatient } : url
      const { app, kind, lines, untilLogged } = await buildApp(t, connection, task => { journal.write(`ran ${task.data}`) })
      await app.ready()
      await (await kind.addTask('before')).finished
      const waiting = await kind.addTask('delayed', { name: 'delayed', delay: 5000 })

      await server.stop()
      await untilLogged(40, /./)
      const verbs: Record<string, () => Promise<unknown>> = {
        addTask: () => kind.addTask('lost'),
        getTask: () => kind.getTask('delayed'),
        cancelTask: () => kind.cancelTask('delayed'),
        tasks: () => kind.tasks(),
        count: () => kind.count(),
        purgeTasks: () => kind.purgeTasks(),
        pause: () => kind.pause(),
        schedules: () => kind.schedules(),
        ping: () => app.cluster.ping(),
        refresh: () => waiting.refresh()
      }
      await Promise.all(Object.entries(verbs).map(async ([verb, call]) => {
        const began = Date.now()
        await t.rejects(call(), { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503 }, verb)
        t.ok(Date.now() - began < 30_000, `${verb} took ${Date.now() - began} ms`)
      }))

      await server.start()
      await untilLogged(30, /again|back/)
      await journal.until('ran delayed')
      await (await kind.addTask('after')).finished
      t.equal(lines.filter(line => line.level >= 40).length, 1, JSON.stringify(lines))
      t.equal(journal.count('ran delayed'), 1)
      t.strictSame(unhandled, [])
    })

    t.test('work that runs while the server is away goes on, and settles once it is back', async t => {
      const { url, server } = await ownServer(t)
      const journal = new Journal()
      const gate = withResolvers()
      const { app, kind, untilLogged } = await buildApp(t, url, async task => {
        journal.write('started')
        await gate.promise
        task.progress = 'late'
        return 'result'
      }, { stallTimeout: 60_000 })
      await app.ready()
      await kind.addTask(1, { name: 'running' })
      await journal.until('started')
      await server.kill()
      await untilLogged(40, /./)
      gate.resolve()
      await server.start()
      await untilLogged(30, /again|back/)
      const task = await kind.getTask('running')
      t.equal(await task.finished, 'result')
      t.equal(journal.lines.length, 1)
    })

    t.test('while the server is frozen verbs reject within timeout; once it has thawed they answer', async t => {
      const { url, server } = await ownServer(t)
      const { app, kind } = await buildApp(t, url, () => 'ran')
      await app.ready()
      await (await kind.addTask(1, { name: 'before' })).finished
      server.freeze()
      try {
        const began = Date.now()
        const calls: Promise<unknown>[] = [kind.getTask('before'), kind.addTask(2), app.cluster.ping(), kind.count()]
        await Promise.all(calls.map(call => t.rejects(call as Promise<any>, { code: 'FST_ERR_TASK_UNREACHABLE' })))
        t.ok(Date.now() - began < 30_000)
      } finally {
        server.thaw()
      }
      t.equal((await kind.getTask('before')).result, 'ran')
      t.equal(await (await kind.addTask(3)).finished, 'ran')
    })

    t.test('an app whose server is away closes', async t => {
      const { url, server } = await ownServer(t)
      const { app } = await buildApp(t, url, () => {})
      await app.ready()
      await server.kill()
      const began = Date.now()
      await app.close()
      t.ok(Date.now() - began < 30_000, `it took ${Date.now() - began} ms`)
    })
  })
}
