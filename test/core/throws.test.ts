import type { FastifyInstance } from 'fastify'
import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Task } from '../../index.ts'
import { buildApp, type LogLine } from './fixtures/app.ts'

interface Thrown {
  value: unknown
  state: { name: string, message: string, code?: string }
  /** As the log line has it: what JSON cannot hold is left out. */
  logged: unknown
}

const error = Object.assign(new Error('boom'), { code: 'E_BOOM' })

const kinds: Record<string, Thrown> = {
  'an error': { value: error, state: { name: 'Error', message: 'boom', code: 'E_BOOM' }, logged: { type: 'Error', message: 'boom', code: 'E_BOOM' } },
  'a TypeError': { value: new TypeError('bad'), state: { name: 'TypeError', message: 'bad' }, logged: { type: 'TypeError', message: 'bad' } },
  undefined: { value: undefined, state: { name: 'Error', message: 'undefined' }, logged: undefined },
  null: { value: null, state: { name: 'Error', message: 'null' }, logged: null },
  'a string': { value: 'out of paper', state: { name: 'Error', message: 'out of paper' }, logged: 'out of paper' },
  'an empty string': { value: '', state: { name: 'Error', message: "''" }, logged: '' },
  'a number': { value: 5, state: { name: 'Error', message: '5' }, logged: 5 },
  'a symbol': { value: Symbol('sign'), state: { name: 'Error', message: 'Symbol(sign)' }, logged: undefined },
  'an object that is no error': { value: { reason: 'full' }, state: { name: 'Error', message: "{ reason: 'full' }" }, logged: { reason: 'full' } },
  'an object without a prototype': { value: Object.create(null), state: { name: 'Error', message: '[Object: null prototype] {}' }, logged: {} }
}

/** What is left of work that ended in `value`, from every side it can be seen from. */
async function checkFailure (t: Test, lines: LogLine[], task: Task, { value, state, logged }: Thrown) {
  const [outcome] = await Promise.allSettled([task.finished])
  t.equal(outcome.status, 'rejected')
  t.equal((outcome as PromiseRejectedResult).reason, value, 'finished rejects with the very thing thrown')
  t.equal(task.status, 'failed')
  t.equal(task.error, value)
  t.equal(task.result, undefined)
  const json = JSON.parse(JSON.stringify(task))
  t.equal(json.status, 'failed')
  t.same(json.error, state)

  const failures = lines.filter(line => line.msg === 'task failed')
  t.equal(failures.length, 1, 'logged once')
  const [line] = failures
  t.equal(line?.level, 50)
  t.equal(line?.task, task.name ?? task.id)
  if (typeof logged === 'object') t.match(line?.err, logged)
  else t.equal(line?.err as unknown, logged)
}

const ways: Record<string, (app: FastifyInstance, value: unknown) => Task> = {
  'a callable throws': (app, value) => app.addTask(() => { throw value }, { name: 'unlucky' }),
  'an async callable throws': (app, value) => app.addTask(async () => { throw value }, { name: 'unlucky' }),
  'an async callable throws later': (app, value) => app.addTask(async () => {
    await setImmediate()
    throw value
  }),
  'a promise rejects with': (app, value) => app.addTask(setImmediate().then(() => { throw value }), { name: 'unlucky' })
}

for (const [kind, thrown] of Object.entries(kinds)) {
  for (const [way, add] of Object.entries(ways)) {
    t.test(`${kind} that ${way}`, async t => {
      const { app, lines } = await buildApp(t)
      await app.ready()
      await checkFailure(t, lines, add(app, thrown.value), thrown)
    })
  }

  t.test(`${kind} that a deferred callable throws`, async t => {
    const { app, lines } = await buildApp(t)
    const task = app.addTask(() => { throw thrown.value })
    await app.ready()
    t.equal(task.status, 'failed')
    await checkFailure(t, lines, task, thrown)
  })
}

const thrown = kinds['an error']!

const thenables: Record<string, () => { readonly then: unknown }> = {
  'whose then getter throws': () => ({ get then (): never { throw error } }),
  'that is a promise whose constructor cannot be read': () => Object.defineProperty(Promise.resolve(), 'constructor', { get () { throw error } }),
  'whose then throws': () => ({ then () { throw error } }),
  'that rejects': () => ({ then (_resolve: any, reject: any) { reject(error) } }),
  'that rejects later': () => ({ then: (_resolve: any, reject: any) => setImmediate(error).then(reject) }),
  'that rejects, then resolves': () => ({
    then (resolve: any, reject: any) {
      reject(error)
      resolve('too late')
    }
  }),
  'that rejects twice': () => ({
    then (_resolve: any, reject: any) {
      reject(error)
      reject(new Error('again'))
    }
  }),
  'that resolves with another, which rejects': () => ({
    then (resolve: any) { resolve({ then (_resolve: any, reject: any) { reject(error) } }) }
  })
}

for (const [which, make] of Object.entries(thenables)) {
  t.test(`a thenable ${which}, given to addTask, fails its task`, async t => {
    const { app, lines } = await buildApp(t)
    await app.ready()
    await checkFailure(t, lines, app.addTask(make() as PromiseLike<unknown>), thrown)
  })

  t.test(`a thenable ${which}, returned by the work, fails its task`, async t => {
    const { app, lines } = await buildApp(t)
    await app.ready()
    await checkFailure(t, lines, app.addTask(() => make()), thrown)
  })
}

const resolvers: Record<string, (resolve: (value: unknown) => void, reject: (reason: unknown) => void) => void> = {
  'resolves twice': resolve => {
    resolve('first')
    resolve('second')
  },
  'resolves, then rejects': (resolve, reject) => {
    resolve('first')
    reject(error)
  },
  'resolves, then rejects later': async (resolve, reject) => {
    resolve('first')
    await setImmediate()
    reject(error)
  },
  'throws after it resolved': resolve => {
    resolve('first')
    throw error
  }
}

for (const [what, then] of Object.entries(resolvers)) {
  for (const how of ['handed over', 'returned by the work']) {
    t.test(`a thenable that ${what}, ${how}, completes its task with the first value`, async t => {
      const { app, lines } = await buildApp(t)
      await app.ready()
      const thenable = { then } as PromiseLike<unknown>
      const task = app.addTask(how === 'handed over' ? thenable : () => thenable)
      t.equal(await task.finished, 'first')
      await setImmediate()
      await setImmediate()
      t.equal(task.status, 'completed')
      t.equal(task.error, undefined)
      t.same(lines.filter(({ level }) => level >= 40), [])
    })
  }
}

/** What code throws that means harm, or knows no better. */
const hostile: Record<string, () => unknown> = {
  'whose message cannot be read': () => Object.defineProperty(new Error('boom'), 'message', { get () { throw new Error('unreadable') } }),
  'whose code is a BigInt': () => Object.assign(new Error('boom'), { code: 10n }),
  'whose code refers to itself': () => {
    const error: Error & { code?: unknown } = new Error('boom')
    error.code = error
    return error
  },
  'that is a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  }
}

for (const [which, make] of Object.entries(hostile)) {
  t.test(`an error ${which} fails its task, whose state stays serialisable`, async t => {
    const reported: unknown[] = []
    const { app, lines } = await buildApp(t, { onError: error => { reported.push(error) } })
    await app.ready()
    const value = make()
    const task = app.addTask(() => { throw value }, { name: 'unlucky' })
    t.equal(task.status, 'failed')
    t.ok(task.error === value)
    t.doesNotThrow(() => JSON.stringify(task))
    t.ok(lines.some(({ level, task }) => level === 50 && task === 'unlucky'), 'logged')
    await setImmediate()
    t.ok(reported.length === 1 && reported[0] === value, 'onError is called')
  })
}
