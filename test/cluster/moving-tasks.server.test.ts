import t from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

onEveryServer(t, (t, engine) => {
  t.test('a list has every task that exists throughout the call, even if tasks start and end meanwhile', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const added = new Set<string>()
    const add = async () => {
      for (let i = 0; i < 250; i++) {
        const { name } = await here.kind.addTask(i, { name: `task ${i}`, ...(i % 2 === 0 && { delay: 30 }) })
        added.add(name)
      }
    }
    const adds = add()
    const missing: string[] = []
    while (added.size < 250) {
      const before = [...added]
      const listed = new Set((await there.kind.tasks({ limit: 1000 })).map(({ name }) => name))
      missing.push(...before.filter(name => !listed.has(name)))
    }
    await adds
    t.strictSame(missing, [])
  })

  t.test('a task that was cancelled before it started is listed as cancelled at once, while a worker ends it', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const missing: string[] = []
    for (let i = 0; i < 100; i++) {
      const task = await here.kind.addTask(1, { name: `task ${i}`, delay: 60_000 })
      await task.cancel()
      if (!(await there.kind.tasks({ status: 'cancelled' })).some(({ name }) => name === task.name)) missing.push(task.name)
    }
    t.strictSame(missing, [])
  })

  t.test('a page begins and ends where the list does', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.addTasks(Array.from({ length: 30 }, (_, i) => ({ data: i, name: `${i}`, ...(i % 3 === 0 && { delay: 60_000 }), ...(i % 3 === 1 && { priority: 5 }) })))
    await here.kind.cancelTask('2')
    const all = (await here.kind.tasks()).map(({ name }) => name)
    t.equal(all.length, 30)
    for (const [offset, limit] of [[0, 1], [5, 10], [9, 3], [20, 20], [29, 1], [30, 5], [0, 0]] as const) {
      const page = await here.kind.tasks({ offset, limit })
      t.strictSame(page.map(({ name }) => name), all.slice(offset, offset + limit), `${offset}, ${limit}`)
    }
  })

  t.test('a name is free as soon as its task has settled, while a worker takes out its job', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const refused: string[] = []
    for (let i = 0; i < 150; i++) {
      const name = `name ${i}`
      const task = await here.kind.addTask(1, { name, delay: 60_000 })
      await task.cancel()
      const next = await there.kind.addTask(2, { name }).catch((error: { code: string }) => error)
      if ('code' in next) refused.push(next.code)
    }
    t.strictSame(refused, [])
  })

  t.test('reading the schedules does not drop one that is set again meanwhile', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    const missing: number[] = []
    const over = new AbortController()
    const wrong: unknown[] = []
    const reading = Promise.all(Array.from({ length: 2 }, async () => {
      while (!over.signal.aborted) wrong.push(...(await there.kind.schedules()).filter(({ every }) => every !== 60_000))
    }))
    for (let i = 0; i < 100; i++) {
      await here.kind.scheduleTask('tick', { every: 60_000 })
      if ((await here.kind.schedules()).length !== 1) missing.push(i)
      await here.kind.unscheduleTask('tick')
    }
    over.abort()
    await reading
    t.strictSame(missing, [])
    t.strictSame(wrong, [])
  })

  t.test('a reason of any string cancels a task that runs, waits or is scheduled', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, task) => new Promise((_resolve, reject) => {
      task.signal.addEventListener('abort', () => reject(task.signal.reason))
    }), { concurrency: 1 })
    for (const reason of ['a\0b', '\ud800']) {
      const running = await here.kind.addTask(1)
      for await (const { status } of running.watch()) if (status === 'running') break
      const waiting = await here.kind.addTask(1, { delay: 60_000 })
      for (const task of [waiting, running]) {
        await there.kind.cancelTask(task.name, { reason, timeout: 30_000 })
        t.match(await here.kind.getTask(task.name), { status: 'cancelled', error: { message: reason } })
      }
    }
  })
})
