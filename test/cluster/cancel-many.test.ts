import t from 'tap'
import { cancelMany } from '../../lib/cluster/cancel-many.ts'
import type { TaskPlace } from '../../lib/cluster/cluster-task.ts'
import type { Queue, StoredTask } from '../../lib/cluster/engine.ts'
import { FST_ERR_TASK_UNREACHABLE } from '../../lib/cluster/errors.ts'

/**
 * A place whose queue has these running tasks. They do not stop, but for the task "quick". The server is lost when the cancellation of
 * the task "lost" is sent again.
 */
function placeOf (names: string[], cancelTimeout: number): TaskPlace {
  let tasks = names.map((name, id) => ({ name, id, status: 'running' })) as StoredTask[]
  const queue = {
    list: async (_statuses, offset) => tasks.slice(offset),
    cancelFirst: async name => {
      const task = tasks.find(task => task.name === name)!
      if (name !== 'quick') return { task, isFirst: true }
      tasks = tasks.filter(other => other !== task)
      return { task: { ...task, status: 'cancelled' }, isFirst: true }
    },
    cancel: async name => {
      if (name === 'lost') throw new FST_ERR_TASK_UNREACHABLE('')
      return tasks.find(task => task.name === name)
    },
    watch: () => () => {}
  } as Partial<Queue> as Queue
  return { kind: 'report', cancelTimeout, queue: async () => queue } as Partial<TaskPlace> as TaskPlace
}

t.test('an error of the server is told before tasks that do not stop', async t => {
  await t.rejects(cancelMany(placeOf(['deaf', 'lost'], 2000), { status: 'running' }), { code: 'FST_ERR_TASK_UNREACHABLE' })
})

t.test('the error tells the cancelTimeout of the plugin if there is no timeout', async t => {
  await t.rejects(cancelMany(placeOf(['deaf', 'quick', 'dumb'], 200), { status: 'running' }), {
    code: 'FST_ERR_TASK_CANCEL_TIMEOUT',
    message: 'The work of 2 tasks of the kind "report" has not stopped 200 ms after its cancellation (1 other was cancelled)'
  })
})
