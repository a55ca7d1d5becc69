import t from 'tap'
import { Recent } from '../../lib/dashboard/recent.ts'

t.test('an answer is kept for its time, and made again once it is forgotten', async t => {
  let asked = 0
  const recent = new Recent(() => performance.now() + 60_000, 100)
  const ask = async () => ++asked
  t.equal(await recent.get('first', ask), 1)
  t.equal(await recent.get('first', ask), 1)
  recent.clear()
  t.equal(await recent.get('first', ask), 2)
})

t.test('a hundred answers are kept, and one more replaces the oldest', async t => {
  let asked = 0
  const recent = new Recent(() => performance.now() + 60_000, 100)
  const ask = async () => ++asked
  for (let i = 0; i <= 100; i++) await recent.get(`${i}`, ask)
  t.equal(await recent.get('1', ask), 2)
  t.equal(await recent.get('0', ask), 102)
})
