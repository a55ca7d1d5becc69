import t from 'tap'
import type { TaskWork } from '../../index.ts'
import { buildApp, deaf, untilAborted } from './fixtures/app.ts'

async function buildReport () {}
async function * buildPages () { yield 1 }
class Mailer {
  async send () {}
  static deliver () {}
  * digest () { yield 1 }
}
const named = (name: unknown) => Object.defineProperty(() => {}, 'name', { value: name })
const unreadable = Object.defineProperty(() => {}, 'name', { get () { throw new Error('no') } })
const arrow = () => {}

const kinds: [string, () => TaskWork<unknown>, string | undefined][] = [
  ['a function', () => buildReport, 'buildReport'],
  ['an arrow function that was assigned to a name', () => arrow, 'arrow'],
  ['a generator function', () => buildPages, 'buildPages'],
  ['a method', () => new Mailer().send, 'send'],
  ['a static method', () => Mailer.deliver, 'deliver'],
  ['a generator method', () => new Mailer().digest, 'digest'],
  ['a bound method', () => new Mailer().send.bind(new Mailer()), 'bound send'],
  ['a function of a module', () => untilAborted, 'untilAborted'],
  ['an anonymous function', () => (() => async () => {})(), undefined],
  ['a promise', () => deaf(), undefined],
  ['a promise with a name', () => Object.assign(deaf(), { name: 'promise' }), undefined],
  ['a function whose name is empty', () => named(''), undefined],
  ['a function whose name is no string', () => named(5), undefined],
  ['a function whose name is undefined', () => named(undefined), undefined],
  ['a function whose name is a symbol', () => named(Symbol('name')), undefined],
  ['a function whose name is __proto__', () => named('__proto__'), '__proto__'],
  ['a function whose name cannot be read', () => unreadable, undefined],
  ['a proxy of a function', () => new Proxy(buildReport, {}), 'buildReport']
]

for (const [what, work, kind] of kinds) {
  t.test(`the kind of ${what} is ${kind} by default`, async t => {
    const { app } = await buildApp(t)
    t.equal(app.addTask(work()).kind, kind)
    t.equal(app.addTask(work(), { kind: undefined }).kind, kind)
    const own = app.addTask(work(), { kind: 'own' })
    t.equal(own.kind, 'own')
    t.equal(own.toJSON().kind, 'own')
  })
}

t.test('the kind is in the state, for lists and filters', async t => {
  const { app } = await buildApp(t)
  app.addTask(buildReport, { name: 'a' })
  app.addTask(buildReport, { name: 'b', kind: 'other' })
  t.strictSame(app.tasks.toJSON().map(({ kind }) => kind), ['buildReport', 'other'])
  t.strictSame([...app.tasks].filter(({ kind }) => kind === 'buildReport').map(({ name }) => name), ['a'])
})

t.test('a name that is changed later does not change the kind', async t => {
  const { app } = await buildApp(t)
  const work = () => {}
  const task = app.addTask(work)
  Object.defineProperty(work, 'name', { value: 'renamed' })
  t.equal(task.kind, 'work')
})

t.test('data is the very value that was given, of any type', async t => {
  const { app } = await buildApp(t)
  for (const data of [undefined, null, 0, NaN, '', Symbol('data'), { owner: 'ada' }, ['a'], () => {}, 5n, new Map()]) {
    for (const work of [() => {}, deaf()]) t.ok(Object.is(app.addTask<unknown>(work, { data }).data, data), String(data))
  }
  t.equal(app.addTask(() => {}).data, undefined)
})

t.test('the work has its data', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const task = app.addTask((_app, { data }) => data.first + data.second, { data: { first: 1, second: 2 } })
  t.equal(task.result, 3)
})

t.test('data is in no state, log line or reply', async t => {
  const { app, lines } = await buildApp(t)
  const data = { secret: 'hunter2', toJSON () { return t.fail('nobody serialises it') } }
  app.get('/', async () => app.getTask('report'))
  app.get('/all', async () => app.tasks)
  await app.ready()
  const task = app.addTask((_app, { log }) => {
    log.info('at work')
    throw new Error('broken')
  }, { name: 'report', data })
  t.notOk('data' in task.toJSON())
  const replies = [await app.inject('/'), await app.inject('/all')].map(({ body }) => body)
  for (const text of [...replies, JSON.stringify(task), JSON.stringify(app.tasks), JSON.stringify(lines)]) t.notMatch(text, /hunter2/)
})

t.test('a task keeps its data when it has settled and was purged', async t => {
  const { app } = await buildApp(t)
  await app.ready()
  const data = { owner: 'ada' }
  const task = app.addTask(() => {}, { name: 'report', data })
  t.equal(app.getTask('report').data, data)
  app.purgeTasks()
  t.equal(task.data, data)
})

t.test('kind and data are read-only at run time', async t => {
  const { app } = await buildApp(t)
  const task = app.addTask(buildReport, { data: 1 })
  for (const property of ['kind', 'data']) t.throws(() => { Object.assign(task, { [property]: 2 }) }, TypeError)
  t.match(task, { kind: 'buildReport', data: 1 })
})

t.test('with keep, the existing task keeps its kind and data', async t => {
  const { app } = await buildApp(t)
  const holder = app.addTask(buildReport, { name: 'report', data: 1 })
  t.equal(app.addTask(arrow, { name: 'report', data: 2, onDuplicate: 'keep' }), holder)
  t.match(holder, { kind: 'buildReport', data: 1 })
})
