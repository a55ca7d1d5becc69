import t from 'tap'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

onEveryEngine(t, (t, engine) => {
  const values: unknown[] = [
    null, true, false, 0, -1.5, 1e300, '', 'text', '日本 🐘', '\0', '\ud800', [], {}, [null, [1, ['x']]],
    { a: { b: [1, 2, { c: null }] } }, { '': 0, 'a:b': 1, constructor: 2 }, 'x'.repeat(100_000)
  ]

  t.test('any JSON value arrives as the data, and comes back as the result', async t => {
    const seen: unknown[] = []
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => {
      seen.push(data)
      return data
    }, { concurrency: 1 })
    for (const value of values) {
      const added = await here.kind.addTask(value, { name: 'value' })
      t.strictSame(await added.finished, value)
      const found = await there.kind.getTask('value')
      t.strictSame(found.data, value)
      t.strictSame(found.result, value)
    }
    t.strictSame(seen, values)
  })

  t.test('a task needs no data', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => `data: ${data}`)
    const task = await here.kind.addTask(undefined, { name: 'none' })
    t.equal(await task.finished, 'data: undefined')
    t.equal((await there.kind.getTask('none')).data, undefined)
  })

  t.test('work that returns nothing has no result', async t => {
    const [here, there] = await buildFleet(t, engine, () => {})
    const task = await here.kind.addTask(1, { name: 'none' })
    t.equal(await task.finished, undefined)
    t.equal((await there.kind.getTask('none')).result, undefined)
  })

  t.test('data that is no JSON is refused with its path', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {})
    const circle: { self?: object } = {}
    circle.self = circle
    const cases: [unknown, RegExp][] = [
      [() => {}, /function|data/i], [Symbol('x'), /data/i], [1n, /data/i], [NaN, /data/i], [Infinity, /data/i], [new Map(), /data/i], [new Date(0), /data/i],
      [{ a: { b: () => {} } }, /a\.b/], [{ list: [1, undefined] }, /list(\[1\]|\.1|\/1)/], [{ when: new Date(0) }, /when/], [{ n: -Infinity }, /\bn\b/],
      [{ deep: [{ set: new Set() }] }, /deep(\[0\]|\.0|\/0)[./]set/], [circle, /self/], [new (class Invoice {})(), /data/i], [Buffer.from('x'), /data/i]
    ]
    for (const [data, message] of cases) {
      await t.rejects(kind.addTask(data, { name: 'bad' }), { code: 'FST_ERR_TASK_INVALID_DATA', statusCode: 400, message })
    }
    t.equal(await kind.getTask('bad', { optional: true }), undefined)
  })

  t.test('an object that two places share is JSON', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data)
    const shared = { x: 1 }
    t.strictSame(await (await kind.addTask({ a: shared, b: [shared] })).finished, { a: { x: 1 }, b: [{ x: 1 }] })
  })

  t.test('a property that is undefined is left out, as JSON does', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => Object.keys(data))
    t.strictSame(await (await kind.addTask({ a: undefined, b: 1 })).finished, ['b'])
  })

  t.test('a result is what JSON makes of it', async t => {
    const [here, there] = await buildFleet(t, engine, () => ({ when: new Date(0), none: undefined }))
    const task = await here.kind.addTask(1, { name: 'dated' })
    t.strictSame(await task.finished, { when: '1970-01-01T00:00:00.000Z' })
    t.strictSame((await there.kind.getTask('dated')).result, { when: '1970-01-01T00:00:00.000Z' })
  })

  t.test('a result that JSON cannot hold fails the task, which is not run again', async t => {
    let runs = 0
    const [here] = await buildFleet(t, engine, () => {
      runs++
      return 1n
    }, { attempts: 3 })
    await t.rejects((await here.kind.addTask(1)).finished, { code: 'FST_ERR_TASK_INVALID_DATA', statusCode: 500 })
    t.equal(runs, 1)
  })

  t.test('changes of the data after addTask do not reach the work', async t => {
    const [{ kind }] = await buildFleet(t, engine, (_app, { data }) => data)
    const data = { list: [1] }
    const adding = kind.addTask(data)
    data.list.push(2)
    const task = await adding
    data.list.push(3)
    t.strictSame(await task.finished, { list: [1] })
  })

  t.test('changes of the data by the work are not seen in the task', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, { data }) => {
      data.list.push(2)
      return data
    })
    const task = await here.kind.addTask({ list: [1] }, { name: 'changed' })
    t.strictSame(await task.finished, { list: [1, 2] })
    t.strictSame((await there.kind.getTask('changed')).data, { list: [1] })
  })
})
