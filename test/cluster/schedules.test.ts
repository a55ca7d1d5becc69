import { once } from 'node:events'
import { Redis } from 'ioredis'
import { setImmediate as immediate } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import type { ClusterTask } from '../../lib/cluster/index.ts'
import { onEveryEngine, onEveryServer } from './fixtures/engines.ts'
import { buildFleet, prefix, type Member } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

const run = /^tick@\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

/** Cancels the next task of a schedule. If its time comes before that, then the one after it. */
async function cancelNext (kind: Member['kind'], schedule: string): Promise<ClusterTask<any, any, any>> {
  for (;;) {
    const [next] = await kind.tasks({ name: schedule, status: 'deferred' })
    await next?.cancel()
    if (next?.status === 'cancelled') return next
    await immediate()
  }
}

onEveryEngine(t, (t, engine) => {
  t.test('a task of a schedule is cancelled alone, even if another schedule has a task at the same time', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    for (const name of ['a', 'b']) await here.kind.scheduleTask(name, { every: 86_400_000 })
    const nextAt = (await here.kind.schedules())[0]!.nextAt
    const time = new Date(nextAt).toISOString()
    t.equal((await there.kind.getTask(`a@${time}`)).startsAt, nextAt)
    await there.kind.cancelTask(`a@${time}`)
    t.equal((await here.kind.getTask(`a@${time}`)).status, 'cancelled')
    t.equal((await here.kind.getTask(`b@${time}`)).status, 'deferred')
    for (const name of ['a', 'b']) await here.kind.unscheduleTask(name)
  })
  t.test('a schedule by interval runs again and again, each run a task named after its time', async t => {
    const journal = new Journal()
    const names: string[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      names.push(task.name)
      journal.write('ran')
      return task.data
    })
    await here.kind.scheduleTask('tick', { every: 200 }, { month: 5 })
    await journal.until('ran', 3)
    await there.kind.unscheduleTask('tick')
    for (const name of names) t.match(name, run)
    t.equal(new Set(names).size, names.length)
    const times = names.map(name => Date.parse(name.slice('tick@'.length))).sort((a, b) => a - b)
    t.strictSame(times.map(time => time % 200), times.map(() => 0))
    const first = await there.kind.getTask(names[0]!)
    t.strictSame(first.data, { month: 5 })
    t.strictSame(await first.finished, { month: 5 })
    t.ok(first.startedAt! >= times[0]! - 5)
  })

  t.test('settled tasks of a schedule are purged and replaced like others', async t => {
    const [here] = await buildFleet(t, engine, () => 'ran')
    await here.kind.scheduleTask('tick', { every: 100 })
    let completed
    do {
      await immediate()
      completed = await here.kind.tasks({ status: 'completed' })
    } while (completed.length < 4)
    await here.kind.unscheduleTask('tick')
    await here.kind.idle()
    const [first, second, third] = completed.map(({ name }) => name) as [string, string, string]
    t.equal(await here.kind.purgeTasks({ name: first }), 1)
    t.equal(await here.kind.purgeTasks(({ name }) => name === second), 1)
    t.equal(await (await here.kind.addTask(1, { name: third })).finished, 'ran')
    t.ok(await here.kind.purgeTasks({ olderThan: 0 }) >= 2)
    t.strictSame(await here.kind.tasks(), [])
  })

  t.test('a schedule by cron runs at its times', async t => {
    const journal = new Journal()
    const names: string[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      names.push(task.name)
      journal.write('ran')
    })
    await here.kind.scheduleTask('tick', { cron: '* * * * * *' })
    await journal.until('ran', 2)
    await there.kind.unscheduleTask('tick')
    for (const name of names) t.match(name, /^tick@.*\.000Z$/)
    t.equal(new Set(names).size, names.length)
  })

  t.test('a schedule that every app declares, again and again, runs once at each of its times', async t => {
    const journal = new Journal()
    const names: string[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      names.push(task.name)
      journal.write('ran')
    })
    await Promise.all([here, there, here, there].map(({ kind }) => kind.scheduleTask('tick', { every: 300 })))
    for (let i = 0; i < 5; i++) {
      await here.kind.scheduleTask('tick', { every: 300 })
      await there.kind.scheduleTask('tick', { every: 300 })
    }
    t.equal((await there.kind.schedules()).length, 1)
    await journal.until('ran', 3)
    await here.kind.unscheduleTask('tick')
    t.equal(new Set(names).size, names.length)
  })

  t.test('a schedule in a time zone keeps its hour there', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.scheduleTask('tokyo', { cron: '0 3 * * *', timeZone: 'Asia/Tokyo' })
    await here.kind.scheduleTask('utc', { cron: '0 3 * * *', timeZone: 'UTC' })
    const hours = Object.fromEntries((await there.kind.schedules()).map(({ name, nextAt }) => [name, new Date(nextAt!).getUTCHours()]))
    t.strictSame(hours, { tokyo: 18, utc: 3 })
    for (const name of ['tokyo', 'utc']) await there.kind.unscheduleTask(name)
  })

  t.test('schedules are listed with their times, their next time and their data', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const before = Date.now()
    await here.kind.scheduleTask('nightly', { cron: '0 3 * * *', timeZone: 'Europe/Zurich' }, { month: 0 })
    await here.kind.scheduleTask('hourly', { every: 3_600_000 })
    const schedules = (await there.kind.schedules()).sort((a, b) => a.name < b.name ? -1 : 1)
    t.match(schedules, [
      { name: 'hourly', every: 3_600_000 },
      { name: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Zurich', data: { month: 0 } }
    ])
    for (const { nextAt } of schedules) t.ok(nextAt! >= before - 5 && nextAt! <= before + 25 * 3_600_000)
    await here.kind.unscheduleTask('hourly')
    t.strictSame((await there.kind.schedules()).map(({ name }) => name), ['nightly'])
    await there.kind.unscheduleTask('nightly')
    t.strictSame(await here.kind.schedules(), [])
  })

  t.test('a schedule that is set with other times is changed', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => { journal.write(data) })
    await here.kind.scheduleTask('tick', { cron: '0 3 1 1 *' }, 'old')
    await there.kind.scheduleTask('tick', { every: 200 }, 'new')
    t.match(await here.kind.schedules(), [{ name: 'tick', every: 200, data: 'new' }])
    await journal.until('new', 2)
    await here.kind.unscheduleTask('tick')
    t.equal(journal.count('old'), 0)
  })

  t.test('an unscheduled task runs no more', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, () => { journal.write('ran') })
    await here.kind.scheduleTask('tick', { every: 100 })
    await journal.until('ran')
    await there.kind.unscheduleTask('tick')
    await here.kind.idle()
    const ran = journal.lines.length
    await new Promise(resolve => setTimeout(resolve, 300)) // nothing is to happen: there is no event to wait for
    t.equal(journal.lines.length, ran)
    t.strictSame(await there.kind.schedules(), [])
  })

  t.test('a run that fails does not end its schedule', async t => {
    const journal = new Journal()
    const [here] = await buildFleet(t, engine, () => {
      journal.write('ran')
      throw new Error('as told')
    })
    await here.kind.scheduleTask('tick', { every: 100 })
    await journal.until('ran', 3)
    await here.kind.unscheduleTask('tick')
    await here.kind.idle()
    t.ok((await here.kind.tasks({ status: ['failed'] })).length >= 3)
  })

  t.test('a run that is cancelled never runs, and those after it do', async t => {
    const journal = new Journal()
    const names: string[] = []
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      names.push(task.name)
      journal.write('ran')
    })
    await here.kind.scheduleTask('tick', { every: 1500 })
    const next = await cancelNext(there.kind, 'tick')
    t.match(next.name, run)
    await journal.until('ran', journal.lines.length + 2)
    await here.kind.unscheduleTask('tick')
    t.equal(names.includes(next.name), false)
    t.equal((await there.kind.getTask(next.name)).status, 'cancelled')
  })

  t.test('a next run that was cancelled may be purged, or retried, and its schedule goes on', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, (_app, task) => { journal.write(task.name) })
    for (const change of ['purgeTasks', 'retryTask'] as const) {
      const name = `tick ${change}`
      await here.kind.scheduleTask(name, { every: 1000 })
      const next = await cancelNext(there.kind, name)
      if (change === 'purgeTasks') await there.kind.purgeTasks()
      else await there.kind.retryTask(next.name)
      while (!journal.lines.some(line => line.startsWith(name) && line > next.name)) await once(journal, 'line')
      if (change === 'retryTask') await journal.until(next.name)
      else t.equal(journal.lines.includes(next.name), false)
      await there.kind.unscheduleTask(name)
    }
  })

  t.test('a schedule that is removed and set again has no cancelled task', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.scheduleTask('again', { every: 86_400_000 })
    const next = await cancelNext(there.kind, 'again')
    await here.kind.unscheduleTask('again')
    await here.kind.scheduleTask('again', { every: 86_400_000 })
    while ((await there.kind.getTask(next.name)).status !== 'deferred') await immediate() // its mark is removed a moment later
    await here.kind.unscheduleTask('again')
  })

  t.test('whoever waits for a task of a schedule is told at once that it was cancelled', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.scheduleTask('told', { every: 86_400_000 })
    const [next] = await there.kind.tasks({ status: 'deferred' })
    const finished = next!.finished
    await here.kind.cancelTask(next!.name, { reason: 'not wanted' })
    await t.rejects(finished, { message: 'not wanted' })
    await here.kind.unscheduleTask('told')
  })

  t.test('names of any sort are schedules, too', async t => {
    const names = ['5', 'a:b', '__proto__', 'x'.repeat(1000), '日本 🐘']
    const [here, there] = await buildFleet(t, engine, () => {})
    for (const name of names) await here.kind.scheduleTask(name, { cron: '0 3 1 1 *' }, name)
    t.strictSame((await there.kind.schedules()).map(schedule => schedule.name).sort(), [...names].sort())
    for (const name of names) await there.kind.unscheduleTask(name)
    t.strictSame(await here.kind.schedules(), [])
  })

  t.test('a name that is too long for an id is the name of a schedule and of its runs', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const name = 'é'.repeat(500)
    await here.kind.scheduleTask(name, { every: 1000 })
    t.match(await there.kind.schedules(), [{ name, every: 1000 }])
    const [run] = await there.kind.tasks()
    t.match(run!.name, new RegExp(`^${name}@\\d{4}-.*Z$`))
    t.equal((await here.kind.getTask(run!.name)).id, run!.id)
    await there.kind.unscheduleTask(name)
    t.strictSame(await here.kind.schedules(), [])
  })

  t.test('a watch of a run ends, and finished rejects, when its schedule ends', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    await here.kind.scheduleTask('tick', { every: 86_400_000 })
    const [next] = await there.kind.tasks()
    const { finished } = next!
    const states: string[] = []
    const watched = (async () => {
      for await (const { status } of next!.watch()) {
        states.push(status)
        await here.kind.unscheduleTask('tick')
      }
    })()
    await t.rejects(finished, { code: 'FST_ERR_TASK_NOT_FOUND' })
    await watched
    t.strictSame(states, ['deferred'])
  })

  t.test('to unschedule what is not scheduled is a 404, unless it is optional', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {})
    await t.rejects(kind.unscheduleTask('nobody'), { code: 'FST_ERR_TASK_NOT_FOUND', statusCode: 404, message: /"nobody"/ })
    t.equal(await kind.unscheduleTask('nobody', { optional: true }), undefined)
  })

  t.test('bad schedules are refused', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { schema: { type: 'object' } })
    const bad = [
      {}, null, { cron: 'nonsense' }, { cron: '61 * * * *' }, { cron: '' }, { cron: '0 0 30 2 *' }, { cron: '0 0 1W * *' }, { cron: '0 0 0 1 1 * 2027' }, { cron: '@daily' }, { cron: '2027-01-01T00:00:00' }, { cron: 5 }, { cron: new Date() }, { cron: '0 3 * * MOO' }, { cron: '0 3 * * *', timeZone: 'Mars/Olympus' }, { every: 0 }, { every: -1 }, { every: '5' },
      { every: Infinity }, { every: 5, cron: '0 3 * * *' }, { evry: 5 }
    ]
    for (const when of bad as any[]) await t.rejects(kind.scheduleTask('bad', when, {}), { code: 'FST_ERR_TASK_INVALID_OPTION' }, JSON.stringify(when))
    for (const when of ['0 3 * * *', undefined, []] as any[]) {
      await t.rejects(kind.scheduleTask('bad', when, {}), { message: /^Option "when" of schedule "bad" must be \{ cron, timeZone \} or \{ every \}, received / })
    }
    await t.rejects(kind.scheduleTask('', { every: 1000 }, {}), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    await t.rejects(kind.scheduleTask('bad', { every: 1000 }, 5 as any), { code: 'FST_ERR_TASK_INVALID_DATA' })
    await t.rejects(kind.scheduleTask('bad', { every: 1000 }, { f () {} } as any), { code: 'FST_ERR_TASK_INVALID_DATA' })
    t.strictSame(await kind.schedules(), [])
  })
})

onEveryServer(t, (t, engine) => {
  t.test('if many calls set a schedule at the same time, it has one next task', async t => {
    const [here, there] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    for (let i = 0; i < 10; i++) {
      const name = `tick ${i}`
      await Promise.all([here, there, here, there].map(({ kind }) => kind.scheduleTask(name, { every: 3_600_000 })))
      t.equal((await here.kind.tasks({ status: 'deferred' })).length, 1, name)
      await here.kind.unscheduleTask(name)
    }
  })

  t.test('a schedule that has lost its next task gets it again when it is set again', async t => {
    const [{ app, kind }] = await buildFleet(t, engine, () => {}, { plugin: { work: false }, apps: 1 })
    await kind.scheduleTask('tick', { every: 3_600_000 })
    const [next] = await kind.tasks()
    const id = `repeat:tick:${next!.startsAt}`
    if (engine.name === 'postgres') {
      const client = new pg.Client(engine.connection)
      await client.connect()
      await client.query(`DELETE FROM "${prefix.replace('-', '$2d')}".job WHERE queue = $1 AND id = $2`, [kind.name, id])
      await client.end()
    } else {
      const client = new Redis(engine.connection!)
      await client.zrem(`${prefix}:${kind.name}:delayed`, id)
      await client.del(`${prefix}:${kind.name}:${id}`)
      client.disconnect()
    }
    t.strictSame(await kind.tasks(), [])
    await kind.scheduleTask('tick', { every: 3_600_000 })
    t.equal((await kind.tasks()).length, 1)
    t.equal((await kind.schedules()).length, 1)
    await app.close()
  })

  t.test('the name of a run that was cancelled is taken until its time, for its schedule needs it', async t => {
    const [here] = await buildFleet(t, engine, () => {}, { plugin: { work: false } })
    await here.kind.scheduleTask('tick', { every: 60_000 })
    const [next] = await here.kind.tasks()
    await here.kind.cancelTask(next!.name)
    await t.rejects(here.kind.addTask(1, { name: next!.name }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    t.equal((await here.kind.schedules()).length, 1)
    await here.kind.unscheduleTask('tick')
  })
})

t.test('local: a time is skipped if another task has its name, and the schedule goes on', async t => {
  const journal = new Journal()
  const [here] = await buildFleet(t, { name: 'local', connection: undefined }, (_app, task) => { journal.write(task.data) })
  const soon = (Math.floor(Date.now() / 1000) + 2) * 1000
  const names = [soon, soon + 1000].map(time => `tick@${new Date(time).toISOString()}`)
  await here.kind.addTasks(names.map(name => ({ data: 'other', name, delay: 60_000 })))
  await here.kind.scheduleTask('tick', { every: 1000 }, 'scheduled')
  await journal.until('scheduled', 2)
  await here.kind.unscheduleTask('tick')
  for (const name of names) {
    const task = await here.kind.getTask(name)
    t.equal(task.data, 'other')
    t.equal(task.status, 'deferred')
  }
})
