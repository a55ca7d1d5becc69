import { EventEmitter, once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import pg from 'pg'
import t, { type Test } from 'tap'
import tasks from '../../index.ts'
import cluster, { type ClusterOptions, type KindOptions } from '../../lib/cluster/index.ts'
import { settlesWithin } from '../../lib/core/within.ts'
import { processEvents } from '../core/fixtures/process-events.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import type { ServerProcess } from './fixtures/server-process.ts'
import { skipWithout, startServer, type ServerName } from './fixtures/servers.ts'
import { WorkerProcess } from './fixtures/worker-process.ts'

for (const name of ['redis', 'postgres'] as const) {
  t.test(name, { skip: skipWithout(name, { own: true }) }, async t => {
    async function ownServer (t: Test) {
      const server = await startServer(name, { own: true })
      t.teardown(server.remove)
      const { app } = await buildFleet(t, server.url, { timeout: 60_000 })
      await app.ready() // it prepares the server, which may take longer than the apps of the tests wait
      await app.close()
      return { url: server.url, server: server.process! }
    }

    /** An app that adds and watches, what it logs about the server, and a function that starts processes that work. */
    async function buildFleet (t: Test, url: string, plugin: Omit<ClusterOptions, 'prefix'> = {}) {
      const options = { connection: url, prefix: 'faults', timeout: 5000, stallTimeout: 2000, drainTimeout: 200, cancelTimeout: 5000, ...plugin }
      const lines: { level: number, msg: string }[] = []
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
      await app.register(cluster, { ...options, work: false })
      const kind = app.cluster.defineTask<any, any, any>('work', () => {})
      const untilLogged = async (message: RegExp) => {
        while (!lines.some(({ msg }) => message.test(msg))) await once(logged, 'line')
      }
      return { app, kind, lines, untilLogged, startWorker: (kindOptions: KindOptions = {}) => WorkerProcess.start(t, options, kindOptions) }
    }

    /** One warning when the server goes, one line when it is back, and nothing else. */
    function assertTwoLines (t: Test, messages: string[]) {
      t.equal(messages.length, 2, messages.join('\n'))
      t.match(messages[0], /does not answer/)
      t.match(messages[1], /answers again/)
    }

    t.test('a server that is stopped and started again while tasks are added, run and cancelled: none is lost', async t => {
      const unhandled = processEvents(t, 'unhandledRejection')
      const { url, server } = await ownServer(t)
      const { app, kind, lines, untilLogged, startWorker } = await buildFleet(t, url, { maxSettled: 1_000_000 }) // all are looked up at the end
      await app.ready()
      const workers = await Promise.all([startWorker(), startWorker()])
      const added: string[] = []
      const cancelled: string[] = []
      const refused = new Set<string>()
      const over = new AbortController()

      async function keepAdding (who: string) {
        for (let i = 0; !over.signal.aborted; i++) {
          const task = `${who} ${i}`
          try {
            // An answer may be lost: with `keep`, adding again does no harm.
            await kind.addTask(i % 3 === 0 ? 'slow' : 'quick', { name: task, onDuplicate: 'keep', ...(i % 5 === 0 && { delay: 300 }) })
            added.push(task)
            if (i % 4 !== 0) continue
            await kind.cancelTask(task)
            cancelled.push(task)
          } catch (error: any) {
            refused.add(error.code)
            await setTimeout(20)
          }
        }
      }
      const adding = Promise.all(['a', 'b', 'c'].map(keepAdding))
      await workers[0].until('ended')
      await server.stop()
      await Promise.all([untilLogged(/does not answer/), ...workers.map(worker => worker.untilLogged(40, /does not answer/))])
      await server.start()
      await Promise.all(workers.map(worker => worker.untilLogged(30, /answers again/)))
      await (await kind.addTask('quick', { name: 'after' })).finished
      over.abort()
      await adding
      await kind.idle()

      for (const code of refused) t.match(code, /^FST_ERR_TASK_(UNREACHABLE|CANCEL_TIMEOUT)$/)
      for (const task of added) t.ok((await kind.getTask(task)).settled, task)
      for (const task of cancelled) {
        const { status, startedAt } = await kind.getTask(task)
        const started = workers.some(({ told }) => told.some(line => line.what === 'started' && line.task === task))
        if (status === 'cancelled' && startedAt === undefined) t.notOk(started, `${task} was cancelled before it started`)
      }
      assertTwoLines(t, lines.filter(({ msg }) => /server/.test(msg)).map(({ msg }) => msg))
      for (const worker of workers) {
        worker.child.kill('SIGTERM')
        t.strictSame(await worker.exit, [0, null])
        assertTwoLines(t, worker.complaints)
      }
      t.strictSame(unhandled, [])
    })

    t.test('a server that is frozen: every verb settles within timeout, and all goes on when it has thawed', async t => {
      const unhandled = processEvents(t, 'unhandledRejection')
      const { url, server } = await ownServer(t)
      const { app, kind, lines, untilLogged, startWorker } = await buildFleet(t, url, { stallTimeout: 60_000 })
      await app.ready()
      const worker = await startWorker()
      const waiting = await kind.addTask('wait', { name: 'running' })
      await worker.until('started', 'running')
      const states: string[] = []
      const watching = withResolvers() // else the purge may be done before it is
      const watched = (async () => {
        for await (const { status } of waiting.watch()) {
          states.push(status)
          watching.resolve()
        }
      })()
      await Promise.race([watching.promise, watched])
      server.freeze()
      try {
        const verbs: Record<string, () => Promise<unknown>> = {
          addTask: () => kind.addTask('quick'),
          addTasks: () => kind.addTasks([{ data: 'quick' }, { data: 'quick', name: 'named' }]),
          getTask: () => kind.getTask('running'),
          cancelTask: () => kind.cancelTask('running'),
          tasks: () => kind.tasks(),
          count: () => kind.count(),
          purgeTasks: () => kind.purgeTasks(),
          scheduleTask: () => kind.scheduleTask('tick', { every: 60_000 }),
          unscheduleTask: () => kind.unscheduleTask('tick'),
          schedules: () => kind.schedules(),
          pause: () => kind.pause(),
          resume: () => kind.resume(),
          idle: () => kind.idle(),
          ping: () => app.cluster.ping(),
          refresh: () => waiting.refresh(),
          cancel: () => waiting.cancel()
        }
        await Promise.all(Object.entries(verbs).map(async ([verb, call]) => {
          const began = Date.now()
          await t.rejects(call(), { code: 'FST_ERR_TASK_UNREACHABLE', statusCode: 503 }, verb)
          t.ok(Date.now() - began < 30_000, `${verb} took ${Date.now() - began} ms`)
        }))
      } finally {
        server.thaw()
      }
      await untilLogged(/answers again/)
      const { finished } = await kind.addTask('quick')
      do await kind.resume() // a pause that has rejected may be done, and later than this
      while (!await settlesWithin(finished, 1000))
      t.equal(await finished, worker.pid)
      await kind.cancelTask('running', { timeout: 60_000, optional: true }) // the cancellations and the purge may have been done, too
      await worker.until('aborted', 'running')
      await watched
      t.equal(states.at(-1), 'cancelled')
      assertTwoLines(t, lines.filter(({ msg }) => /server/.test(msg)).map(({ msg }) => msg))
      worker.child.kill('SIGTERM')
      t.strictSame(await worker.exit, [0, null])
      t.strictSame(unhandled, [])
    })

    t.test('a server that is away for longer than stallTimeout: what ran goes on, or is run again, and settles once', async t => {
      const { url, server } = await ownServer(t)
      const { app, kind, startWorker } = await buildFleet(t, url, { stallTimeout: 1000 })
      await app.ready()
      const worker = await startWorker({ maxStalls: 100 }) // on a busy machine, a lock may expire once more
      const tasks = await kind.addTasks(Array.from({ length: 8 }, (_, i) => ({ data: 'slow', name: `task ${i}` })))
      await worker.until('started')
      await server.kill()
      await worker.untilLogged(40, /does not answer/)
      await setTimeout(1500) // no event says that a lock has expired on a server that is away
      await server.start()
      await Promise.all(tasks.map(task => task.finished))
      t.strictSame(await kind.count(), { deferred: 0, running: 0, completed: 8, failed: 0 })
      worker.child.kill('SIGTERM')
      t.strictSame(await worker.exit, [0, null])
      t.equal(worker.complaints.filter(line => line.startsWith('unhandledRejection')).length, 0)
    })

    t.test('a password is in no error and no log line: a wrong one, and a server that goes and comes back', async t => {
      const { url, server } = await ownServer(t)
      await protect(name, url, server, 'sesame-open')
      const withPassword = (password: string) => name === 'redis' ? url.replace('//', `//:${password}@`) : url.replace('postgres@', `postgres:${password}@`)

      const wrong = await buildFleet(t, withPassword('guessed-wrong'))
      const began = Date.now()
      const error: any = await Promise.resolve(wrong.app.ready()).then(() => t.fail('it is ready'), error => error)
      t.ok(Date.now() - began < 30_000)
      t.notMatch(`${error.stack} ${JSON.stringify(error)} ${JSON.stringify(wrong.lines)} ${error.cause}`, /guessed-wrong/)
      await wrong.app.close()

      const right = await buildFleet(t, withPassword('sesame-open'))
      await right.app.ready()
      await right.kind.addTask('quick', { delay: 60_000 })
      server.freeze()
      const lost = await right.kind.addTask('quick').catch(error => error)
      server.thaw()
      await right.untilLogged(/answers again/)
      t.equal(lost.code, 'FST_ERR_TASK_UNREACHABLE')
      t.notMatch(`${lost.stack} ${JSON.stringify(lost)} ${JSON.stringify(right.lines)}`, /sesame-open/)
    })
  })
}

/** Makes a server ask for a password from now on. */
async function protect (name: ServerName, url: string, { directory }: ServerProcess, password: string) {
  if (name === 'redis') {
    const client = new Redis(url)
    await client.config('SET', 'requirepass', password)
    client.disconnect()
    return
  }
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`ALTER USER postgres PASSWORD '${password}'`)
  const file = join(directory, 'data/pg_hba.conf')
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('trust', 'scram-sha-256'))
  await client.query('SELECT pg_reload_conf()')
  await client.end()
}
