import t from 'tap'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

const echo = (_app: unknown, task: { data: unknown }) => task.data

onEveryEngine(t, (t, engine) => {
  t.test('addTasks adds many, in their order', async t => {
    const [here, there] = await buildFleet(t, engine, echo)
    const tasks = await here.kind.addTasks(Array.from({ length: 50 }, (_, data) => ({ data })))
    t.strictSame(tasks.map(task => task.data), Array.from({ length: 50 }, (_, data) => data))
    t.equal(new Set(tasks.map(task => task.name)).size, 50)
    t.strictSame(await Promise.all(tasks.map(task => task.finished)), tasks.map(task => task.data))
    t.equal((await there.kind.tasks()).length, 50)
  })

  t.test('addTasks takes the options of addTask, task by task', async t => {
    const [here] = await buildFleet(t, engine, echo, { plugin: { work: false } })
    const [named, delayed] = await here.kind.addTasks([{ data: 1, name: 'named' }, { data: 2, delay: 60_000 }])
    t.equal(named!.name, 'named')
    t.ok(delayed!.startsAt! > Date.now() + 50_000)
  })

  t.test('addTasks of nothing adds nothing', async t => {
    const [here] = await buildFleet(t, engine, echo)
    t.strictSame(await here.kind.addTasks([]), [])
  })

  t.test('addTasks refuses the names that are taken, names them all, and adds the others', async t => {
    const [here, there] = await buildFleet(t, engine, echo, { plugin: { work: false } })
    await here.kind.addTasks([{ data: 0, name: 'one' }, { data: 0, name: 'three' }])
    await t.rejects(there.kind.addTasks(['one', 'two', 'three', 'four'].map(name => ({ data: 1, name }))), {
      code: 'FST_ERR_TASK_DUPLICATE_NAME',
      statusCode: 409,
      message: /"one".*"three"/
    })
    const tasks = await here.kind.tasks()
    t.strictSame(Object.fromEntries(tasks.map(({ name, data }) => [name, data])), { one: 0, two: 1, three: 0, four: 1 })
  })

  t.test('a name that comes twice in one addTasks is taken by the first', async t => {
    const [here] = await buildFleet(t, engine, echo, { plugin: { work: false } })
    await t.rejects(here.kind.addTasks([{ data: 1, name: 'twice' }, { data: 2, name: 'twice' }]), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    t.equal((await here.kind.getTask('twice')).data, 1)
    t.equal((await here.kind.tasks()).length, 1)
  })

  t.test('addTasks replaces a task that has settled', async t => {
    const [here, there] = await buildFleet(t, engine, echo)
    await (await here.kind.addTask(1, { name: 'again' })).finished
    const [task] = await there.kind.addTasks([{ data: 2, name: 'again' }])
    t.equal(await task!.finished, 2)
  })

  t.test('addTasks adds nothing when one of them is bad', async t => {
    const [here] = await buildFleet(t, engine, echo)
    await t.rejects(here.kind.addTasks([{ data: 1 }, { data: () => {} }]), { code: 'FST_ERR_TASK_INVALID_DATA' })
    await t.rejects(here.kind.addTasks([{ data: 1 }, { data: 1, name: '' }]), { code: 'FST_ERR_TASK_INVALID_OPTION' })
    t.strictSame(await here.kind.tasks(), [])
  })

  t.test('addTasks refuses a value that is no task, and names the option', async t => {
    const [here] = await buildFleet(t, engine, echo)
    for (const bad of [null, undefined, 5]) {
      const message = `Option "tasks[1]" of addTasks must be { data, name, delay, priority }, received ${bad}`
      await t.rejects(here.kind.addTasks([{ data: 1 }, bad as never]), { code: 'FST_ERR_TASK_INVALID_OPTION', message })
    }
    for (const [option, value] of Object.entries({ limit: { key: 'a', max: 1 }, onDuplicate: 'keep' })) {
      const message = `Option "${option}" of task "a" is one that only addTask takes: add the task by itself`
      await t.rejects(here.kind.addTasks([{ data: 1 }, { data: 1, name: 'a', [option]: value }]), { code: 'FST_ERR_TASK_INVALID_OPTION', message })
    }
    t.strictSame(await here.kind.tasks(), [])
  })
})
