import t from 'tap'
import type { Changed, Queue } from '../../lib/cluster/engine.ts'
import { whenChanged } from '../../lib/cluster/follow.ts'
import { withResolvers, type Resolvers } from '../core/fixtures/with-resolvers.ts'

/** Follows a task whose reads end when the test says so. */
function follow () {
  let changed: Changed | undefined
  const reads: Resolvers<void>[] = []
  const queue = { watch: (_name, callback) => { changed = callback; return () => {} } } as Partial<Queue> as Queue
  const leave = whenChanged(queue, 'report', () => {
    const read = withResolvers()
    reads.push(read)
    return read.promise
  })
  return { changed: changed!, reads, leave }
}

/** Lets what has been resolved go on. */
const turn = () => new Promise(resolve => setImmediate(resolve))

t.test('changes that come during a read become one more read', async t => {
  const { changed, reads } = follow()
  changed()
  await turn()
  for (let i = 0; i < 3; i++) changed()
  await turn()
  t.equal(reads.length, 1)
  reads[0]!.resolve()
  await turn()
  t.equal(reads.length, 2)
  reads[1]!.resolve()
  await turn()
  t.equal(reads.length, 2)
})

t.test('whoever says that something has changed waits for the next read alone, however many follow', async t => {
  const { changed, reads } = follow()
  changed()
  await turn()
  const second = changed()
  reads[0]!.resolve()
  await turn()
  changed()
  reads[1]!.resolve()
  t.equal(await second, true)
})

t.test('whoever says that something has changed learns whether it was read', async t => {
  const { changed, reads } = follow()
  const first = changed()
  await turn()
  reads[0]!.reject(new Error('away'))
  t.equal(await first, false)
})

t.test('nothing is read any more once nobody follows the task', async t => {
  const { changed, reads, leave } = follow()
  changed()
  await turn()
  const second = changed()
  leave()
  reads[0]!.resolve()
  await second
  t.equal(reads.length, 1)
})
