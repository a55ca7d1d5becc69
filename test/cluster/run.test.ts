import t from 'tap'
import { FST_ERR_TASK_STALLED } from '../../lib/cluster/errors.ts'
import { blank } from '../../lib/cluster/bullmq/job.ts'
import { runWith } from '../../lib/cluster/run.ts'
import { registryOf } from '../../lib/core/task-registry.ts'
import { buildApp } from '../core/fixtures/app.ts'

t.test('a run that is refused fails without a call of the work, is logged, and is passed to onError', async t => {
  const failed: unknown[] = []
  const { app, lines } = await buildApp(t, { onError: error => { failed.push(error) } })
  await app.ready()
  const run = runWith(registryOf(app.tasks), app, 'report', () => t.fail('it ran'), { timeout: Infinity, deadline: Infinity, backoff: { type: 'fixed', delay: 0, jitter: 0 } })
  const refusal = new FST_ERR_TASK_STALLED('task "a"')
  const { outcome } = run({ ...blank, name: 'a' }, () => {}, refusal)
  t.match(await outcome, { status: 'failed', error: { code: 'FST_ERR_TASK_STALLED' } })
  t.strictSame(failed, [refusal])
  t.match(lines.filter(({ msg }) => msg === 'task failed'), [{ kind: 'report', task: 'a', err: { code: 'FST_ERR_TASK_STALLED' } }])
})
