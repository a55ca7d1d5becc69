import { once } from 'node:events'
import t from 'tap'
import type { RunningTask } from '../../lib/cluster/index.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { buildApp } from './fixtures/fleet.ts'
import { Journal } from './fixtures/journal.ts'
import { startProxy } from './fixtures/proxy.ts'

onEveryServer(t, (t, engine) => {
  t.test('a process that gets a task too late does not run it', async t => {
    const proxy = await startProxy(t, engine.connection!)
    const journal = new Journal()
    const gate = new EventTarget()
    const join = async (who: string, connection: string, work: boolean) => {
      const { app } = await buildApp(t, { ...engine, connection }, { prefix: `late-start-${process.pid}`, stallTimeout: 8000, work })
      const kind = app.cluster.defineTask('work', async (_app, { name, signal }: RunningTask<null>) => {
        journal.write(`${who}: ${name}`)
        await once(gate, name, { signal })
      }, { concurrency: 1 })
      await app.ready()
      return kind
    }
    const kind = await join('nobody', engine.connection!, false)
    await join('slow', proxy.url, true)
    const first = await kind.addTask(null, { name: 'first' })
    await journal.until('slow: first')
    const second = await kind.addTask(null, { name: 'second' })
    proxy.hold()
    gate.dispatchEvent(new Event('first')) // the server ends it and gives the second one to that process
    await first.finished
    for await (const { status } of second.watch()) if (status === 'running') break
    await join('quick', engine.connection!, true)
    await journal.until('quick: second')
    proxy.release()
    const third = await kind.addTask(null, { name: 'third' })
    await journal.until('slow: third')
    t.equal(journal.count('slow: second'), 0)
    for (const name of ['second', 'third']) gate.dispatchEvent(new Event(name))
    await Promise.all([second.finished, third.finished])
    t.match(await kind.getTask('second'), { status: 'completed', attempt: 1 })
  })
})
