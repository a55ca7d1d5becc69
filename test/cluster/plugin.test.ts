import Fastify from 'fastify'
import t from 'tap'
import tasks, { errors } from '../../index.ts'
import cluster, { type Kind } from '../../lib/cluster/index.ts'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('kinds are defined, found and listed', async t => {
    const { app } = await buildApp(t, engine)
    const report = app.cluster.defineTask('report', () => 1)
    const mail = app.cluster.defineTask('mail', () => 2)
    t.equal(report.name, 'report')
    t.equal(app.cluster.getKind('report'), report)
    t.equal(app.cluster.getKind('mail'), mail)
    t.strictSame([...app.cluster].map(kind => kind.name), ['report', 'mail'])
  })

  t.test('a kind that nobody defined is unknown', async t => {
    const { app } = await buildApp(t, engine)
    for (const kind of ['report', '__proto__', 'constructor']) t.throws(() => app.cluster.getKind(kind), { code: 'FST_ERR_TASK_UNKNOWN_KIND' })
  })

  t.test('the message about an unknown kind names the nearest one, or else all that this process has defined', async t => {
    const { app } = await buildApp(t, engine)
    t.throws(() => app.cluster.getKind('mail'), { message: 'There is no kind "mail" in this process (none is defined)' })
    app.cluster.defineTask('transcription', () => {})
    app.cluster.defineTask('mail', () => {})
    const names = { transcriptoin: 'the nearest is "transcription"', report: 'choose from "transcription", "mail"' }
    for (const [kind, suggestion] of Object.entries(names)) {
      t.throws(() => app.cluster.getKind(kind), { statusCode: 404, message: `There is no kind "${kind}" in this process (${suggestion})` })
    }
  })

  t.test('a kind is defined once, and before the app is ready', async t => {
    const { app } = await buildApp(t, engine)
    app.cluster.defineTask('report', () => {})
    t.throws(() => app.cluster.defineTask('report', () => {}), { code: 'FST_ERR_TASK_KIND_DEFINED', message: /"report"/ })
    await app.ready()
    t.throws(() => app.cluster.defineTask('late', () => {}), { code: 'FST_ERR_TASK_KIND_DEFINED', message: /"late"/ })
    t.throws(() => app.cluster.getKind('late'), { code: 'FST_ERR_TASK_UNKNOWN_KIND' })
  })

  t.test('a kind may be a decorator, of an encapsulated plugin, whose instance its work gets', async t => {
    const { app } = await buildApp(t, engine)
    await app.register(async child => {
      child.decorate('words', ['encapsulated'])
      child.decorate('reports', child.cluster.defineTask(`encapsulated ${process.pid}`, (app: any) => [app === child, app.words]))
      child.get('/', async () => (await (child as any).reports.addTask(null)).finished)
    })
    const outer = app.cluster.defineTask(`outer ${process.pid}`, instance => instance === app)
    t.strictSame((await app.inject('/')).json(), [true, ['encapsulated']])
    t.equal(await (await outer.addTask(null)).finished, true)
  })

  t.test('at ready one line says which server is used and what runs here, without the password', async t => {
    if (engine.connection === undefined) return
    const url = new URL(engine.connection)
    const { host } = url
    if (engine.name === 'postgres') url.password = 'secret'
    const product = { redis: 'Redis', postgres: 'PostgreSQL' }[engine.name as 'redis' | 'postgres']
    const expected = { true: 'tasks of "report", "mail"', false: 'no tasks' }
    for (const work of [true, false]) {
      const { app, lines } = await buildApp(t, { ...engine, connection: url.href }, { work, prefix: `ready-${process.pid}` })
      for (const kind of ['report', 'mail']) app.cluster.defineTask(kind, () => {})
      await app.ready()
      const msg = `fastify-tasks/cluster uses ${product} at ${host} with the prefix "ready-${process.pid}"; this process runs ${expected[`${work}`]}`
      t.match(lines.filter(line => line.level === 30), [{ msg, kinds: work ? ['report', 'mail'] : [] }])
      t.notMatch(JSON.stringify(lines), /secret/)
    }
  })

  t.test('ping resolves while the server answers', async t => {
    const { app } = await buildApp(t, engine)
    await app.ready()
    t.equal(await app.cluster.ping(), undefined)
  })

  t.test('an app that works on no kind runs none, and adds, finds and cancels', async t => {
    const journal = new Journal()
    const kind = `webonly ${process.pid}`
    if (engine.connection === undefined) {
      for (const work of [false, []]) await t.rejects(buildApp(t, engine, { work }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /"work".*no connection/ })
      return
    }
    const build = async (work: boolean) => {
      const { app } = await buildApp(t, engine, { work })
      const defined = app.cluster.defineTask(kind, () => { journal.write(`ran ${work}`) })
      await app.ready()
      return defined
    }
    const web = await build(false)
    const task = await web.addTask(1, { name: 'waiting' })
    t.equal((await web.getTask('waiting')).status, 'deferred')
    await build(true)
    await task.finished
    t.strictSame(journal.lines, ['ran true'])
  })

  t.test('an app may work on some kinds alone', async t => {
    const names = [`one ${process.pid}`, `two ${process.pid}`]
    const { app } = await buildApp(t, engine, { work: [names[1]!] })
    const [one, two] = names.map(name => app.cluster.defineTask(name, () => name))
    await app.ready()
    const waiting = await one!.addTask(1, { name: 'waiting' })
    t.equal(await (await two!.addTask(1)).finished, names[1])
    t.equal((await one!.getTask('waiting')).status, 'deferred')
    await waiting.cancel()
  })

  t.test('a task may be added before the app is ready', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`early ${process.pid}`, () => 'ran')
    const adding = kind.addTask(1)
    await app.ready()
    t.equal(await (await adding).finished, 'ran')
  })

  t.test('work gets the name, kind, data, log and signal of its task', async t => {
    const { app, lines } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`told ${process.pid}`, (_app, task) => {
      task.log.info('working')
      t.equal(task.signal.aborted, false)
      return { name: task.name, kind: task.kind, data: task.data, attempt: task.attempt }
    })
    await app.ready()
    const task = await kind.addTask(5, { name: 'told' })
    t.strictSame(await task.finished, { name: 'told', kind: `told ${process.pid}`, data: 5, attempt: 1 })
    t.match(lines.find(line => line.msg === 'working'), { task: 'told' })
  })

  t.test('work may log and send its task, as a state with attempt and worker', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask(`state ${process.pid}`, (_app, task) => JSON.stringify([task, task.status, task.startedAt, task.createdAt]))
    await app.ready()
    const state = { name: 'itself', status: 'running', attempt: 1, worker: { pid: process.pid }, createdAt: /Z$/, startedAt: /Z$/ }
    t.match(JSON.parse(await (await kind.addTask(5, { name: 'itself' })).finished as string), [state, 'running', Number, Number])
  })

  t.test('an app that is to work on a kind that nobody defined does not start', async t => {
    const { app } = await buildApp(t, engine, { work: ['report', 'mial'] })
    for (const kind of ['report', 'mail']) app.cluster.defineTask(kind, () => {})
    const message = 'There is no kind "mial" in this process (the option "work" names it; the nearest is "mail")'
    await t.rejects(async () => { await app.ready() }, { code: 'FST_ERR_TASK_UNKNOWN_KIND', statusCode: 404, message })
  })

  t.test('once the app has closed, all verbs reject', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask('closed', () => {})
    await app.ready()
    await app.close()
    await t.rejects(kind.getTask('any'), { code: 'FST_ERR_TASK_UNREACHABLE', message: /the app has closed/ })
  })

  t.test('bad options of a kind are refused', async t => {
    const { app } = await buildApp(t, engine)
    const bad: any[] = [
      { concurrency: 0 }, { concurrency: 1.5 }, { globalConcurrency: 0 }, { limit: 5 }, { limit: { max: 0, duration: 1 } }, { limit: { max: 1 } }, { attempts: 0 }, { attempts: '3' },
      { backoff: -1 }, { backoff: { type: 'linear', delay: 5 } }, { backoff: { type: 'fixed' } }, { timeout: 0 }, { deadline: 0 }, { deadline: 2 ** 31 }, { maxStalls: -1 }, { maxSettled: -1 }, { schema: 5 }, { atempts: 3 }, null,
      { backoff: { delay: 5, jiter: 1 } }, { backoff: { delay: 5, jitter: 2 } }, { limit: { max: 1, duration: 1, burst: 2 } }, { maxSettledAge: -1 }
    ]
    for (const options of bad) t.throws(() => app.cluster.defineTask('bad', () => {}, options), { code: 'FST_ERR_TASK_INVALID_OPTION' }, JSON.stringify(options))
    for (const kind of ['', 5, undefined] as any[]) t.throws(() => app.cluster.defineTask(kind, () => {}), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    for (const work of [undefined, 5, Promise.resolve()] as any[]) t.throws(() => app.cluster.defineTask('bad', work), { code: 'FST_ERR_TASK_INVALID_WORK' })
    t.throws(() => app.cluster.defineTask('bad', () => {}, { atempts: 3 } as any), { message: /atempts.*attempts/ })
    t.throws(() => app.cluster.defineTask('bad', () => {}, { backoff: { delay: 5, jiter: 1 } } as any), { message: /"jiter" of backoff of kind "bad" does not exist, the nearest is "jitter"/ })
    t.strictSame([...app.cluster], [])
  })

  t.test('an option that belongs elsewhere is refused, and the message says whose option it is', async t => {
    const { app } = await buildApp(t, engine)
    const kind = app.cluster.defineTask('report', () => {}) as Kind<any, any, any>
    const elsewhere = (option: string, owner: string) => ({ code: 'FST_ERR_TASK_INVALID_OPTION', message: new RegExp(`^Option "${option}" of .* does not exist, it is an option of ${owner}$`) })
    for (const option of ['timeout', 'deadline', 'attempts', 'backoff', 'concurrency', 'maxSettledAge', 'schema', 'onSettled']) {
      const ofKind = elsewhere(option, 'the kind')
      await t.rejects(kind.addTask(1, { [option]: 5 }), ofKind)
      await t.rejects(kind.addTasks([{ data: 1, [option]: 5 }]), ofKind)
      await t.rejects(kind.scheduleTask('often', { every: 1000 }, 1, { [option]: 5 }), ofKind)
    }
    for (const option of ['delay', 'priority']) t.throws(() => app.cluster.defineTask('mail', () => {}, { [option]: 5 }), elsewhere(option, 'addTask'))
    t.throws(() => app.cluster.defineTask('mail', () => {}, { drainTimeout: 5 } as any), elsewhere('drainTimeout', 'the plugin'))
    await t.rejects(buildApp(t, engine, { attempts: 3 } as any), elsewhere('attempts', 'a kind'))
    for (const option of ['drain', 'signal', 'register', 'log', 'after', 'kind']) {
      await t.rejects(kind.addTask(1, { [option]: 5 }), { message: /does not exist, (choose from|the nearest is)/ })
    }
  })
})

t.test('bad options of the plugin are refused', async t => {
  const bad: any[] = [
    { prefix: '' }, { prefix: 5 }, { work: 'report' }, { work: [5] }, { maxSettled: -1 }, { cancelTimeout: -1 }, { drainTimeout: '5' }, { stallTimeout: 0 }, { stallTimeout: 999 }, { timeout: -1 },
    { migrate: 'yes' }, { connection: 5 }, { connection: 'http://example.com' }, { connection: 'nonsense' }, { connection: [] }, { connection: new URL('http://example.com') }, { conection: 'redis://127.0.0.1' }
  ]
  for (const options of bad) {
    const app = Fastify({ pluginTimeout: 0 })
    await app.register(tasks)
    await t.rejects(async () => { await app.register(cluster, options) }, { code: 'FST_ERR_TASK_INVALID_OPTION' }, JSON.stringify(options))
    await app.close()
  }
})

t.test('an error of a connection is thrown unchanged', async t => {
  for (const error of [new Error('mine'), Object.assign(new Error("Cannot find module 'theirs'"), { code: 'MODULE_NOT_FOUND' })]) {
    const app = Fastify({ pluginTimeout: 0 })
    await app.register(tasks)
    await t.rejects(async () => { await app.register(cluster, { connection: { get url (): string { throw error } } as never }) }, error)
    await app.close()
  }
})

t.test('the plugin needs that of the core', async t => {
  const app = Fastify({ pluginTimeout: 0 })
  await t.rejects(async () => { await app.register(cluster, {}) }, { message: /fastify-tasks/ })
})

t.test('the decorator belongs to the app on which it was registered, wherever it is read', async t => {
  const { app } = await buildApp(t, { name: 'local', connection: undefined })
  const kind = app.cluster.defineTask('report', instance => instance === app)
  await app.ready()
  const elsewhere = Reflect.get(app, 'cluster', {}) as typeof app.cluster
  t.equal(elsewhere.getKind('report'), kind)
})

t.test('local: ready says once that the tasks end with the process', async t => {
  const { app, lines } = await buildApp(t, { name: 'local', connection: undefined })
  await app.ready()
  const said = lines.filter(line => /process/.test(line.msg))
  t.equal(said.length, 1)
  t.equal(said[0]!.level, 30)
})

// Not beside the others, which read the same variable.
t.test('local: in production it says so as a warning', { buffered: false }, async t => {
  const { NODE_ENV } = process.env
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV
    else process.env.NODE_ENV = NODE_ENV
  })
  process.env.NODE_ENV = 'production'
  const { app, lines } = await buildApp(t, { name: 'local', connection: undefined })
  await app.ready()
  t.equal(lines.filter(line => /process/.test(line.msg) && line.level === 40).length, 1)
})

t.test('the errors are among those of the package', async t => {
  t.type(errors.FST_ERR_TASK_NOT_FOUND, 'function')
})
