import t from 'tap'
import { ClusterTask, type TaskPlace } from '../../lib/cluster/cluster-task.ts'
import type { Queue, StoredTask } from '../../lib/cluster/engine.ts'
import { blank } from '../../lib/cluster/bullmq/job.ts'
import { withResolvers } from '../core/fixtures/with-resolvers.ts'

const running: StoredTask = { ...blank, name: 'report', id: 1, status: 'running' }
const cancelled: StoredTask = { ...running, status: 'cancelled', settledAt: 1, error: { name: 'AbortError', message: 'not wanted', code: undefined } }

/** A task whose reads and cancellations resolve when the test says so. */
function buildTask (stored: StoredTask) {
  const [get, cancel] = [withResolvers<StoredTask>(), withResolvers<StoredTask>()]
  const queue = { get: () => get.promise, cancel: () => cancel.promise, watch: (_name, changed) => { changed(); return () => {} } } as Partial<Queue> as Queue
  const place = { kind: 'report', cancelTimeout: 60_000, queue: async () => queue, onceStopped: () => () => {} } as Partial<TaskPlace> as TaskPlace
  return { task: new ClusterTask(place, stored), get, cancel }
}

t.test('what was read of a task before it settled does not undo its end, at whichever moment it arrives', async t => {
  for (let delay = 0; delay < 20; delay++) {
    const { task, get, cancel } = buildTask(running)
    const finished = task.finished
    const stopped = task.cancel()
    get.resolve(cancelled)
    for (let i = 0; i < delay; i++) await Promise.resolve()
    cancel.resolve({ ...running, status: 'cancelling' })
    await t.rejects(finished, { message: 'not wanted' })
    await stopped
    t.match(task, { status: 'cancelled', settled: true })
  }
})

t.test('what was read of a task before it was retried does not undo the retry', async t => {
  const { task, get } = buildTask({ ...running, retries: 1 })
  const finished = task.finished
  get.resolve(cancelled)
  await task.refresh()
  t.match(task, { status: 'running', settled: false })
  t.equal(task.finished, finished)
})
