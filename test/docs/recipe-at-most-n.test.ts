import { EventEmitter, once } from 'node:events'
import t, { type Test } from 'tap'
import atMostN from '../../examples/at-most-n.ts'
import { buildApp, untilAborted } from '../core/fixtures/app.ts'

/** An app whose encodings say that they run, and end when they are told to or aborted. */
async function encoder (t: Test, concurrency?: number, timeout?: number) {
  const { app } = await buildApp(t)
  const running = new Set<string>()
  const ran: string[] = []
  const end = new EventEmitter()
  let most = 0
  await app.register(atMostN, {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(timeout === undefined ? {} : { timeout }),
    async encode (video, signal) {
      running.add(video)
      ran.push(video)
      most = Math.max(most, running.size)
      try {
        await once(end, video, { signal })
      } finally {
        await new Promise(resolve => setImmediate(resolve)) // its clean-up takes a while
        running.delete(video)
      }
    }
  })

  async function add (video: string) {
    const { statusCode } = await app.inject({ method: 'PUT', url: `/videos/${video}` })
    t.equal(statusCode, 202)
    return app.getTask(`/videos/${video}`)
  }

  return { app, running, ran, end, add, most: () => most }
}

t.test('no more run at a time than there are slots', async t => {
  const { app, ran, running, end, add, most } = await encoder(t, 3)
  const tasks = []
  for (let i = 0; i < 10; i++) tasks.push(await add(`video-${i}`))

  while (ran.length < 10) {
    const [video] = running
    end.emit(video!)
    await app.getTask(`/videos/${video}`).finished
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const video of running) end.emit(video)
  await app.tasks.idle()

  t.equal(most(), 3)
  t.same(tasks.map(task => task.status), Array(10).fill('completed'))
})

t.test('a task that is cancelled while it waits for a slot ends at once and never runs', async t => {
  const { app, ran, end, add } = await encoder(t, 1)
  await add('first')
  const second = await add('second')
  await add('third')

  await second.cancel()

  t.equal(second.status, 'cancelled')
  t.equal(app.getTask('/videos/first').status, 'running', 'the slot is still taken')
  end.emit('first')
  await app.getTask('/videos/first').finished
  await new Promise(resolve => setImmediate(resolve))
  t.strictSame(ran, ['first', 'third'])
})

t.test('a task that is cancelled while it runs frees its slot once it has ended', async t => {
  const { ran, running, add } = await encoder(t, 1)
  const first = await add('first')
  await add('second')

  await first.cancel()
  t.notOk(running.has('first'), 'its clean-up is over')
  await new Promise(resolve => setImmediate(resolve))

  t.equal(first.status, 'cancelled')
  t.strictSame(ran, ['first', 'second'])
})

t.test('the timeout of an encoding starts when it has got its slot', async t => {
  const { ran, add } = await encoder(t, 1, 100)
  const first = await add('first')
  const second = await add('second')

  await t.rejects(first.finished, { name: 'AbortError', cause: { name: 'TimeoutError' } })
  await t.rejects(second.finished, { name: 'AbortError', cause: { name: 'TimeoutError' } })

  t.strictSame(ran, ['first', 'second'], 'the second one did not time out while it waited')
})

t.test('an encoding that fails fails its task and frees its slot', async t => {
  const { ran, end, add } = await encoder(t, 1)
  const first = await add('first')
  await add('second')

  end.once('error', () => {})
  end.emit('error', new Error('unknown codec'))
  await t.rejects(first.finished, { message: 'unknown codec' })
  await new Promise(resolve => setImmediate(resolve))

  t.equal(first.status, 'failed')
  t.strictSame(ran, ['first', 'second'])
})

t.test('closing the app cancels tasks that run and tasks that wait', async t => {
  const { app, ran, add } = await encoder(t)
  const tasks = []
  for (const video of ['first', 'second', 'third', 'fourth']) tasks.push(await add(video))

  await app.close()

  t.same(tasks.map(task => task.status), Array(4).fill('cancelled'))
  t.strictSame(ran, ['first', 'second'])
})

t.test('two plugins in one app have slots and names of their own', async t => {
  const { app } = await buildApp(t)
  const encode = (video: string, signal: AbortSignal) => untilAborted(app, { signal })
  await app.register(atMostN, { prefix: '/films', encode })
  await app.register(atMostN, { prefix: '/clips', encode })

  for (const prefix of ['films', 'clips']) {
    t.equal((await app.inject({ method: 'PUT', url: `/${prefix}/videos/first` })).statusCode, 202)
  }

  t.strictSame(Array.from(app.tasks, task => task.name), ['/films/videos/first', '/clips/videos/first'])
})
