import t from 'tap'
import { chaos } from './chaos/chaos.ts'
import { skipWithout } from './fixtures/servers.ts'

for (const name of ['redis', 'postgres'] as const) {
  const skip = skipWithout(name, { own: true })
  t.test(`a short chaos run on ${name}: every task ends once, none is lost, no two tasks have the same name, and nothing is written late`, { skip }, async t => {
    const { counts, problems } = await chaos(name, { tasks: 300, killEvery: 1000, freezeEvery: 500, timeout: 300_000 })
    t.strictSame(problems, [], JSON.stringify(counts))
    t.ok(counts.tasks! >= 250)
    t.ok(counts.kills! > 0)
    t.ok(counts.freezes! > 0)
  })
}
