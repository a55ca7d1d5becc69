import t from 'tap'
import { blank } from '../../lib/cluster/bullmq/job.ts'
import { SettledCalls } from '../../lib/cluster/local/settled-calls.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'

t.test('a call that fails after the queue has stopped is not tried again, and stays pending', async t => {
  const gate = withResolvers()
  let calls = 0
  const settledCalls = new SettledCalls(async () => {
    calls++
    await gate.promise
    throw new Error('no disk')
  }, () => t.fail('it has not ended'))
  settledCalls.add(blank)
  const stopped = settledCalls.stop(Infinity)
  gate.resolve()
  await stopped
  await new Promise(resolve => setImmediate(resolve))
  t.equal(settledCalls.pending, 1)
  t.equal(calls, 1)
})
