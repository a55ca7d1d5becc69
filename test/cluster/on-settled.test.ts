import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { untilAborted } from '../core/fixtures/app.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'
import { onEveryEngine, onEveryServer } from './fixtures/engines.ts'
import { buildFleet, type Member } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

/** Writes what `onSettled` got of each task. */
function teller (journal: Journal) {
  return (_app: unknown, { name, status, data, result, error, progress, attempt, attempts, settled }: any) => {
    journal.write(JSON.stringify({ name, status, data, result, error: error?.message, progress, attempt, runs: attempts.length, settled }))
  }
}

const told = (journal: Journal) => journal.lines.map(line => JSON.parse(line)).sort((a, b) => a.name < b.name ? -1 : 1)

onEveryEngine(t, (t, engine) => {
  t.test('onSettled is called once for each task, however it ends', async t => {
    const journal = new Journal()
    const waiting = withResolvers() // the server says that a task runs before its process has begun
    const work = async (app: any, task: any) => {
      task.progress = { of: task.name }
      if (task.data === 'bad') throw new Error('failed')
      if (task.data === 'bad once' && task.attempt === 1) throw new Error('failed once')
      if (task.data === 'wait') {
        waiting.resolve()
        await untilAborted(app, task)
      }
      return `ran ${task.name}`
    }
    const [here, there] = await buildFleet(t, engine, work, { attempts: 2, onSettled: teller(journal) })
    for (const data of ['good', 'bad', 'bad once', 'wait']) await here.kind.addTask(data, { name: data })
    await here.kind.addTask('delayed', { name: 'delayed', delay: 60_000 })
    await waiting.promise
    await there.kind.cancelTask('wait', { reason: 'enough' })
    await there.kind.cancelTask('delayed', { reason: 'not wanted' })
    await here.kind.idle()
    t.strictSame(told(journal), [
      { name: 'bad', status: 'failed', data: 'bad', error: 'failed', progress: { of: 'bad' }, attempt: 2, runs: 2, settled: true },
      { name: 'bad once', status: 'completed', data: 'bad once', result: 'ran bad once', progress: { of: 'bad once' }, attempt: 2, runs: 2, settled: true },
      { name: 'delayed', status: 'cancelled', data: 'delayed', error: 'not wanted', attempt: 0, runs: 0, settled: true },
      { name: 'good', status: 'completed', data: 'good', result: 'ran good', progress: { of: 'good' }, attempt: 1, runs: 1, settled: true },
      { name: 'wait', status: 'cancelled', data: 'wait', error: 'enough', progress: { of: 'wait' }, attempt: 1, runs: 1, settled: true }
    ])
  })

  t.test('onSettled is called again if it fails, and its failure is logged', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => 'ran', {
      onSettled: async (_app, task) => {
        journal.write(task.name)
        if (journal.lines.length === 1) throw new Error('no disk')
      }
    })
    await here.kind.addTask(1, { name: 'again' })
    await journal.untilLines(2)
    t.strictSame(journal.lines, ['again', 'again'])
    t.match([...here.lines, ...there.lines].find(({ msg }) => msg === 'task failed'), { task: 'again', kind: here.kind.name, err: { message: 'no disk' } })
    t.equal((await here.kind.getTask('again')).status, 'completed')
  })

  t.test('onSettled is called again for a task that was retried', async t => {
    const journal = new Journal()
    let mended = false
    const [here] = await buildFleet(t, engine, () => {
      if (!mended) throw new Error('failed')
    }, { onSettled: (_app, { name, status }) => { journal.write(`${name} ${status}`) } })
    await (await here.kind.addTask(1, { name: 'a' })).finished.catch(() => {})
    await journal.untilLines(1)
    mended = true
    await (await here.kind.retryTask('a')).finished
    await journal.untilLines(2)
    t.strictSame(journal.lines, ['a failed', 'a completed'])
  })

  t.test('onSettled gets the end of a task that is not kept, or has lost its name', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, (_app, { data }) => data, { maxSettled: 0, onSettled: teller(journal) })
    for (const data of [1, 2, 3]) await (await here.kind.addTask(data, { name: 'same' })).finished
    await journal.untilLines(3)
    t.strictSame(journal.lines.map(line => JSON.parse(line)).map(({ data, result, status }) => [data, result, status]).sort(),
      [[1, 1, 'completed'], [2, 2, 'completed'], [3, 3, 'completed']])
  })

  t.test('onSettled is called once for a task of a schedule that is cancelled before its time', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {}, { onSettled: (_app, { name, status }) => { journal.write(`${status} ${name}`) } })
    await here.kind.scheduleTask('tick', { every: 2000 })
    let next
    do { // its time may come before its cancellation
      [next] = await here.kind.tasks({ status: 'deferred' })
      if (next === undefined) continue
      await there.kind.cancelTask(next.name)
      await next.refresh()
    } while (next?.status !== 'cancelled')
    while (journal.count(`cancelled ${next.name}`) === 0 || !journal.lines.some(line => line.startsWith('completed'))) await once(journal, 'line')
    await here.kind.unscheduleTask('tick')
    t.equal(journal.count(`cancelled ${next.name}`), 1)
  })

  t.test('idle waits for a call of onSettled in every process, and neither finished nor cancelTask does', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here, there] = await buildFleet(t, engine, () => 'ran', {
      onSettled: async (_app, { name }) => {
        journal.write(`${name} called`)
        await gate.promise
        journal.write(`${name} cleaned up`)
      }
    })
    const task = await here.kind.addTask(1, { name: 'a' })
    await here.kind.addTask(2, { name: 'b', delay: 60_000 })
    t.equal(await task.finished, 'ran')
    await here.kind.cancelTask('b')
    await journal.untilLines(2)
    const idle = Promise.all([here, there].map(async ({ kind }) => {
      await kind.idle()
      journal.write('idle')
    }))
    for (let looks = 0; looks < 10; looks++) await there.kind.count()
    t.strictSame([...journal.lines].sort(), ['a called', 'b called'])
    gate.resolve()
    await idle
    t.strictSame(journal.lines.slice(2).sort(), ['a cleaned up', 'b cleaned up', 'idle', 'idle'])
    t.strictSame(journal.lines.slice(-2), ['idle', 'idle'])
  })

  t.test('idle waits until a failed call of onSettled has been made again', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {}, {
      onSettled: () => {
        journal.write('called')
        if (journal.lines.length === 1) throw new Error('no disk')
      }
    })
    await (await here.kind.addTask(1)).finished
    await there.kind.idle()
    t.strictSame(journal.lines, ['called', 'called'])
  })

  t.test('idle waits for the tasks that onSettled adds', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => {}, {
      onSettled: async (app, { data, kind }) => {
        if (data < 5) await app.cluster.getKind(kind).addTask(data + 1)
        journal.write(`${data}`)
      }
    })
    await here.kind.addTask(1)
    await Promise.all([here.kind.idle(), there.kind.idle()])
    t.strictSame([...journal.lines].sort(), ['1', '2', '3', '4', '5'])
  })

  t.test('idle rejects if the app closes during a call of onSettled', async t => {
    const journal = new Journal()
    const gate = withResolvers()
    const [here] = await buildFleet(t, engine, () => {}, {
      core: { cancelTimeout: 3000 }, // until then idle waits
      onSettled: async () => {
        journal.write('called')
        await gate.promise
      }
    })
    t.teardown(() => gate.resolve())
    await here.kind.addTask(1)
    await journal.until('called')
    const idle = here.kind.idle()
    await Promise.all([t.rejects(idle, { name: 'AbortError', message: /the app is closing/ }), here.app.close()])
  })

  t.test('onSettled must be a function', async t => {
    for (const onSettled of ['x', null, {}, 5]) {
      await t.rejects(buildFleet(t, engine, () => {}, { onSettled: onSettled as any }), { code: 'FST_ERR_TASK_INVALID_OPTION', message: /"onSettled"/ })
    }
  })
})

t.test('local: onSettled is called for tasks that a close cancels', async t => {
  const journal = new Journal()
  const [here] = await buildFleet(t, { name: 'local', connection: undefined }, untilAborted, {
    onSettled: (_app, { name, status }) => { journal.write(`${name} ${status}`) }, plugin: { drainTimeout: 0 }
  })
  await here.kind.addTask(1, { name: 'runs' })
  while ((await here.kind.count()).running === 0) await new Promise(resolve => setImmediate(resolve))
  await here.kind.addTask(1, { name: 'waits', delay: 60_000 })
  await here.app.close()
  t.strictSame(journal.lines.sort(), ['runs cancelled', 'waits cancelled'])
})

t.test('local: a closing app gives a running call of onSettled drainTimeout', async t => {
  const journal = new Journal()
  const gate = withResolvers()
  const [here] = await buildFleet(t, { name: 'local', connection: undefined }, () => {}, {
    onSettled: async () => {
      journal.write('called')
      await gate.promise
      journal.write('cleaned up')
    },
    plugin: { drainTimeout: 20_000 },
    core: { cancelTimeout: 0 }
  })
  await here.kind.addTask(1)
  await journal.until('called')
  const idle = here.kind.idle().then(() => journal.write('idle'))
  here.app.server.once('close', () => setTimeout(gate.resolve, 20))
  await here.app.listen()
  await here.app.close()
  await idle
  t.strictSame(journal.lines, ['called', 'cleaned up', 'idle'])
})

onEveryServer(t, (t, engine) => {
  t.test('idle waits for calls of onSettled, even in a process that does not have the option', async t => {
    const journal = new Journal()
    const name = randomUUID()
    const [web] = await buildFleet(t, engine, () => {}, { apps: 1, plugin: { work: false }, name })
    await buildFleet(t, engine, () => {}, {
      apps: 1,
      name,
      onSettled: async () => {
        for (let looks = 0; looks < 10; looks++) await web.kind.count()
        journal.write('called')
      }
    })
    await (await web.kind.addTask(1)).finished
    await web.kind.idle()
    t.strictSame(journal.lines, ['called'])
  })

  t.test('a hand-over settles no task, so onSettled is not called for it', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async (app, task) => {
      if (task.progress !== undefined) return 'ran'
      task.progress = 1
      journal.write('started')
      return await untilAborted(app, task)
    }, { onSettled: (_app, { name, status }) => { journal.write(`${name} ${status}`) }, plugin: { drainTimeout: 0 } })
    const task = await here.kind.addTask(1, { name: 'moves' })
    await journal.until('started')
    await task.refresh()
    const [owner, other] = here.lines.some(({ msg }) => msg === 'task started') ? [here, there] : [there, here] as [Member, Member]
    await owner.app.close()
    await (await other.kind.getTask('moves')).finished.catch(() => {})
    await journal.until('moves completed')
    t.strictSame(journal.lines, ['started', 'moves completed'])
  })

  t.test('onSettled is called for a task that was cancelled while no process worked, once one does', async t => {
    const journal = new Journal()
    const name = randomUUID()
    const options = { onSettled: (_app: unknown, { name, status, error }: any) => { journal.write(`${name} ${status} ${error.message}`) } }
    const [web] = await buildFleet(t, engine, () => {}, { ...options, apps: 1, plugin: { work: false }, name })
    await web.kind.addTask(1, { name: 'early' })
    await web.kind.cancelTask('early', { reason: 'nobody works' })
    t.strictSame(journal.lines, [])
    await buildFleet(t, engine, () => {}, { ...options, apps: 1, name })
    await journal.untilLines(1)
    t.strictSame(journal.lines, ['early cancelled nobody works'])
  })
})
