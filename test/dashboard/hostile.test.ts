import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'
import { hostile } from './fixtures/hostile.ts'

for (const [what, text] of Object.entries(hostile)) {
  t.test(`${what} in names, kinds, progress and errors is text, and one frame`, async t => {
    const { app, url } = await startDashboard(t)
    const running = app.addTask(untilAborted, { name: text, kind: text })
    running.progress = { [text]: text }
    const error = Object.assign(new Error(text), { name: text, code: text })
    const failed = app.addTask(async () => { throw error }, { name: `failed ${text}` })
    await failed.finished.catch(() => {})

    const expected = [
      { name: `failed ${text}`, status: 'failed', error: { name: text, message: text, code: text } },
      { name: text, kind: text, status: 'running', progress: JSON.parse(JSON.stringify({ [text]: text })) }
    ]
    const list = await getJson<TaskList>(`${url}/tasks`)
    t.match(list.tasks, expected)
    t.strictSame(list.kinds, [{ kind: text, count: 1 }])
    t.match(await getJson(`${url}/tasks/${list.tasks[0]!.id}`), expected[0])

    const events = await watch(t, `${url}/events`)
    const frame = await events.frame()
    t.strictSame(frame!.split(/\r\n|\r|\n/).map(line => line.split(':')[0]), ['retry', 'event', 'data'])
    t.strictSame(JSON.parse(frame!.slice(frame!.indexOf('data: ') + 6)), list)
  })
}

const { surrogate: _, ...wellFormed } = hostile // half a character is no UTF-8

for (const [what, text] of Object.entries(wellFormed)) {
  t.test(`${what} can be asked for`, async t => {
    const { app, url } = await startDashboard(t)
    app.addTask(untilAborted, { name: `${text} 1`, kind: text })
    app.addTask(untilAborted, { name: 'other', kind: 'other' })
    for (const key of ['name', 'kind']) {
      const { tasks } = await getJson<TaskList>(`${url}/tasks?${key}=${encodeURIComponent(text)}`)
      t.match(tasks, [{ name: `${text} 1` }], key)
    }
  })
}

const long = 'x'.repeat(100 * 1024)

t.test('long texts are cut to 2 KB in lists, but not in a reply about one task', async t => {
  const { app, url } = await startDashboard(t)
  app.addTask(untilAborted, { name: long, kind: long }).progress = long
  const failed = app.addTask(async () => { throw Object.assign(new Error(long), { name: long, code: long }) }, { name: 'failed' })
  await failed.finished.catch(() => {})

  const cut = `${'x'.repeat(2048)}…`
  const list = await getJson<TaskList>(`${url}/tasks`)
  t.match(list.tasks, [{ name: 'failed', error: { name: cut, message: cut, code: cut } }, { name: cut, kind: cut, progress: cut }])
  const text = await (await fetch(`${url}/tasks`)).text()
  t.ok(text.length < 20_000, `${text.length} characters`)

  t.match(await getJson(`${url}/tasks/${list.tasks[1]!.id}`), { name: long, kind: long, progress: long })
  t.match(await getJson(`${url}/tasks/${list.tasks[0]!.id}`), { error: { message: long } })
})

t.test('a long value is the start of its JSON in lists', async t => {
  const { app, url } = await startDashboard(t)
  const progress = Array.from({ length: 1000 }, (_, i) => ({ step: i }))
  app.addTask(untilAborted).progress = progress
  const { tasks: [row] } = await getJson<TaskList>(`${url}/tasks`)
  t.equal(row!.progress, `${JSON.stringify(progress).slice(0, 2048)}…`)
  t.strictSame((await getJson(`${url}/tasks/${row!.id}`)).progress, progress)
})

t.test('2 KB are bytes, and no character is cut in two', async t => {
  const { app, url } = await startDashboard(t)
  app.addTask(untilAborted).progress = `a${'👍'.repeat(1000)}`
  app.addTask(untilAborted).progress = 'é'.repeat(1024)
  const { tasks: [fits, row] } = await getJson<TaskList>(`${url}/tasks`)
  t.equal(row!.progress, `a${'👍'.repeat(511)}…`)
  t.equal(fits!.progress, 'é'.repeat(1024))
})

t.test('a value that JSON cannot hold does not harm the others', async t => {
  const { app, url } = await startDashboard(t)
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  const values = [cycle, 10n, { get step () { throw new Error('no') } }, { toJSON () { throw new Error('no') } }, () => {}, Symbol('a'), NaN]
  for (const [i, value] of values.entries()) app.addTask(untilAborted, { name: `${i}` }).progress = value
  const { tasks } = await getJson<TaskList>(`${url}/tasks`)
  const unreadable = '[unreadable]'
  t.strictSame(tasks.map(({ name, progress }) => [name, progress]).reverse(), [
    ['0', unreadable], ['1', unreadable], ['2', unreadable], ['3', unreadable], ['4', undefined], ['5', undefined], ['6', null]
  ])
  t.equal((await getJson(`${url}/tasks/${tasks.at(-1)!.id}`)).progress, unreadable)
})

t.test('anything that is thrown is sent', async t => {
  const { app, url } = await startDashboard(t)
  for (const thrown of [undefined, null, 'text', Symbol('s'), Object.create(null), { get message () { throw new Error('no') } }]) {
    await app.addTask(async () => { throw thrown }, { name: 'throws' }).finished.catch(() => {})
    t.match((await getJson<TaskList>(`${url}/tasks`)).tasks, [{ status: 'failed', error: { name: String, message: String } }])
  }
})
