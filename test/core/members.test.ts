// What JavaScript users see in autocompletion is what they may use.
import { inspect } from 'node:util'
import t from 'tap'
import { buildApp, untilAborted } from './fixtures/app.ts'

/** The names of all members that an object has or inherits, apart from those of every object. */
function membersOf (value: object): string[] {
  const names = new Set<string | symbol>()
  for (let object = value; object !== Object.prototype; object = Object.getPrototypeOf(object)) {
    for (const name of Reflect.ownKeys(object)) names.add(name)
  }
  return [...names].map(String).sort()
}

t.test('a task has its documented members and no others', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask(untilAborted)
  const documented = [
    'id', 'name', 'kind', 'data', 'status', 'settled', 'result', 'error', 'progress', 'createdAt', 'startedAt', 'settledAt',
    'log', 'signal', 'finished', 'cancel', 'watch', 'toJSON', String(Symbol.asyncDispose), String(inspect.custom)
  ].sort()
  t.strictSame(membersOf(task), documented)
  await task.cancel()
  t.strictSame(membersOf(task), documented, 'once it has settled, too')
})

t.test('app.tasks has its documented members and no others', async t => {
  const { app } = await buildApp(t)
  t.strictSame(membersOf(app.tasks), [String(Symbol.iterator), String(inspect.custom), 'idle', 'size', 'toJSON'])
})

t.test('neither a task nor app.tasks leads to its class', async t => {
  const { app } = await buildApp(t)
  t.equal(app.addTask(() => {}).constructor, Object)
  t.equal(app.tasks.constructor, Object)
})

t.test('the members of a task and of app.tasks cannot be replaced', async t => {
  const { app } = await buildApp(t)
  for (const value of [app.addTask(() => {}), app.tasks]) {
    t.throws(() => Object.assign(Object.getPrototypeOf(value), { toJSON: () => ({}) }), TypeError)
    t.throws(() => Object.assign(Object.getPrototypeOf(value), { other: true }), TypeError)
  }
})

t.test('console.log shows the state of a task, and those of app.tasks', async t => {
  const { app } = await buildApp(t, { onError () {} })
  await app.ready()
  const task = app.addTask(() => { throw new TypeError('broken') }, { name: 'report', kind: 'import' })
  const printed = inspect(task)
  t.match(printed, /^Task \{/)
  for (const part of ['id: 1', "name: 'report'", "kind: 'import'", "status: 'failed'", "name: 'TypeError', message: 'broken'"]) t.ok(printed.includes(part), part)
  t.notOk(printed.includes('progress'), 'nothing that is undefined')
  t.match(inspect(app.tasks), /^\[\n +Task \{/)
  t.match(inspect({ deep: { deeper: { task } } }), /task: \[Task\]/)
})
