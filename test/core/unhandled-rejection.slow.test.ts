import t from 'tap'
import type { LogLine } from './fixtures/app.ts'
import { runFixture } from './fixtures/run-fixture.ts'

t.test('a thousand failing tasks, read or not, raise no unhandledRejection', async t => {
  const { code, stdout, stderr } = await runFixture(t, 'failing-tasks.ts', ['listen']).ended
  t.same(JSON.parse(stdout), { failed: 1000, lookedAt: 500, unhandled: 0 })
  t.equal(stderr, '')
  t.equal(code, 0)
})

t.test('a thousand failing tasks, read or not, do not end a process without an unhandledRejection listener', async t => {
  const { code, stdout, stderr } = await runFixture(t, 'failing-tasks.ts').ended
  t.same(JSON.parse(stdout), { failed: 1000, lookedAt: 500, unhandled: 0 })
  t.equal(stderr, '')
  t.equal(code, 0)
})

t.test('a promise that rejects after its task has settled, or that addTask did not take', async t => {
  const { code, stdout } = await runFixture(t, 'unwanted-rejection.ts').ended
  t.equal(code, 0)
  const outcomes: Record<string, { code?: string, unhandled: number, lines: LogLine[] }> = JSON.parse(stdout)

  for (const how of ['cancelled', 'cancelled by a signal', 'cancelled by a timeout', 'cancelled by close', 'replaced']) {
    t.test(`is ignored after it was ${how}`, async t => {
      const { unhandled, lines } = outcomes[how]!
      t.equal(unhandled, 0)
      t.notOk(lines.some(({ err }) => err?.message === 'late'))
    })
  }

  for (const [how, refusal] of Object.entries({
    'refused for its name': 'FST_ERR_TASK_DUPLICATE_NAME',
    'refused for the limit': 'FST_ERR_TASK_LIMIT',
    'refused for a closed app': 'FST_ERR_TASK_CLOSED',
    'refused for an option': 'FST_ERR_TASK_INVALID_OPTION',
    'not needed': undefined
  })) {
    t.test(`is logged, and nothing worse, after it was ${how}`, async t => {
      const { code, unhandled, lines } = outcomes[how]!
      t.equal(code, refusal)
      t.equal(unhandled, 0)
      const errors = lines.filter(({ level }) => level >= 40)
      t.equal(errors.length, 1)
      t.equal(errors[0]?.level, 50)
      t.equal(errors[0]?.err?.message, 'late')
      t.equal(errors[0]?.msg, 'a promise that addTask did not take has rejected')
    })
  }
})
