import t from 'tap'
import { onEveryEngine } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'

onEveryEngine(t, (t, engine) => {
  t.test('what a generator yields is the progress, and what it returns is the result', async t => {
    const [here, there] = await buildFleet(t, engine, function * (_app, { data }) {
      for (let done = 1; done <= data; done++) yield { done, total: data }
      return 'all done'
    })
    t.equal(await (await here.kind.addTask(3, { name: 'computing' })).finished, 'all done')
    t.strictSame((await there.kind.getTask('computing')).progress, { done: 3, total: 3 })
  })

  t.test('an async generator is work, too', async t => {
    const [here, there] = await buildFleet(t, engine, async function * () {
      yield 'half'
      await new Promise(resolve => setImmediate(resolve))
      yield 'all'
      return 'result'
    })
    const task = await here.kind.addTask(1, { name: 'generating' })
    t.equal(await task.finished, 'result')
    t.equal((await there.kind.getTask('generating')).progress, 'all')
  })

  t.test('a cancellation from another app is thrown into a generator at its next yield', async t => {
    const journal = new Journal()
    const [here, there] = await buildFleet(t, engine, async function * () {
      try {
        for (let i = 0; ; i++) {
          if (i === 3) journal.write('started')
          await new Promise(resolve => setTimeout(resolve, 1))
          yield i
        }
      } finally {
        journal.write('cleaned up')
      }
    })
    await here.kind.addTask(1, { name: 'endless' })
    await journal.until('started')
    await there.kind.cancelTask('endless')
    t.strictSame(journal.lines, ['started', 'cleaned up'])
    t.equal((await here.kind.getTask('endless')).status, 'cancelled')
  })

  t.test('a generator that is run again goes on where it stopped', async t => {
    const steps: string[] = []
    const [here] = await buildFleet(t, engine, async function * (_app, task): AsyncGenerator<{ done: number }, string> {
      for (let i = task.progress?.done ?? 0; i < 5; i++) {
        if (i === 3 && task.attempt === 1) throw new Error('as told')
        steps.push(`step ${i}`)
        yield { done: i + 1 }
      }
      return 'all done'
    }, { attempts: 2 })
    t.equal(await (await here.kind.addTask(1)).finished, 'all done')
    t.strictSame(steps, ['step 0', 'step 1', 'step 2', 'step 3', 'step 4'])
  })

  t.test('work that sets its progress to undefined has none', async t => {
    const [here, there] = await buildFleet(t, engine, (_app, task) => {
      task.progress = 'half'
      task.progress = undefined
    })
    await (await here.kind.addTask(1, { name: 'doubtful' })).finished
    t.equal((await there.kind.getTask('doubtful')).progress, undefined)
  })
})
