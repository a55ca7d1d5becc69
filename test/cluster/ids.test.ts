import fc from 'fast-check'
import t from 'tap'
import { decodeName, encodeName, isTaskId, jobIdOf, nameOf } from '../../lib/cluster/bullmq/ids.ts'
import { runNameOf } from '../../lib/cluster/schedule.ts'

const anyName = fc.oneof(
  fc.string({ minLength: 1, maxLength: 60, unit: 'binary' }),
  fc.string({ minLength: 1, maxLength: 60, unit: fc.integer({ min: 0, max: 0xffff }).map(code => String.fromCharCode(code)) }),
  fc.constantFrom('5', '-5', '0', 'a:b', '0:1', '__proto__', 'wait', 'meta', 'repeat:a:1', '%0041', '%-', '~', 'é', '\ud800', '\u0000')
)

t.test('every name comes back from its job id', async () => {
  fc.assert(fc.property(anyName, name => nameOf(jobIdOf(name)) === name))
  fc.assert(fc.property(anyName, name => decodeName(encodeName(name)) === name))
})

t.test('the id of a task is told from those of other jobs', async t => {
  fc.assert(fc.property(anyName, name => isTaskId(jobIdOf(name))))
  for (const id of ['7', 'foreign', 'repeat:nightly', 'repeat:nightly:x', '0b3b5ff0-9e5c-4d3c-8c1e-5a7a1f1d2c3b']) t.equal(isTaskId(id), false, id)
})

t.test('a job id is what BullMQ and both stores take', async () => {
  fc.assert(fc.property(anyName, name => /^~[\x20-\x7e]+$/.test(jobIdOf(name)) && !jobIdOf(name).includes(':')))
})

t.test('long names have short ids, each its own', async t => {
  const [a, b] = ['é'.repeat(2000), 'é'.repeat(2001)].map(jobIdOf)
  t.ok(a!.length < 100)
  t.not(a, b)
  t.equal(nameOf(a!), undefined)
})

t.test("the name of a schedule's task is the id that BullMQ gives it, whoever adds it", async t => {
  const time = Date.UTC(2026, 4, 1, 3)
  t.equal(runNameOf('nightly', time), 'nightly@2026-05-01T03:00:00.000Z')
  t.equal(jobIdOf('nightly@2026-05-01T03:00:00.000Z'), `repeat:nightly:${time}`)
  t.equal(nameOf(`repeat:nightly:${time}`), 'nightly@2026-05-01T03:00:00.000Z')
  for (const name of ['@2026-05-01T03:00:00.000Z', 'a@2026-13-01T03:00:00.000Z', 'a@1960-05-01T03:00:00.000Z']) t.match(jobIdOf(name), /^~/)
})
