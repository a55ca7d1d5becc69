import t from 'tap'
import { inBatches } from '../../lib/cluster/batches.ts'
import type { Queue, StoredTask } from '../../lib/cluster/engine.ts'

const statuses = new Set(['deferred'] as const)

/** A queue with as many waiting tasks. `before` is called before each page. */
function queueOf (length: number, before: (tasks: StoredTask[]) => void = () => {}) {
  const tasks = Array.from({ length }, (_, id) => ({ id, name: `task ${id}`, createdAt: 0 }) as StoredTask)
  const read: number[] = []
  const queue = {
    list: async (_statuses, offset, limit) => {
      before(tasks)
      const page = tasks.slice(offset, offset + limit)
      read.push(page.length)
      return page
    }
  } as Partial<Queue> as Queue
  const take = async (task: StoredTask) => {
    tasks.splice(tasks.indexOf(task), 1)
    return 'done' as const
  }
  return { tasks, read, queue, take }
}

t.test('no chosen task is passed over, though others leave the queue while it is read', async t => {
  for (const leaving of [1, 50, 199, 450]) {
    const { tasks, queue, take } = queueOf(5000, tasks => { tasks.splice(0, leaving) })
    const asked = new Set<number>()
    const chosen = new Set(tasks.slice(leaving).filter(({ id }) => id % 7 === 0))
    const done = await inBatches(queue, { statuses, isChosen: task => { asked.add(task.id); return task.id % 7 === 0 } }, Infinity, take)
    t.equal(tasks.filter(task => chosen.has(task)).length, 0, `${leaving} leave at a time`)
    t.ok(done > 0)
  }
})

t.test('each task is asked about once, though others come to the front of the queue while it is read', async t => {
  let id = 10_000
  const { queue, take } = queueOf(2000, tasks => { if (id < 10_500) tasks.unshift({ id: id++, name: 'new' } as StoredTask) })
  const asked: number[] = []
  t.equal(await inBatches(queue, { statuses, isChosen: task => { asked.push(task.id); return task.id % 2 === 1 && task.id < 2000 } }, Infinity, take), 1000)
  t.equal(new Set(asked).size, asked.length)
})

t.test('there are few pages, even of many tasks', async t => {
  const { read, queue, take } = queueOf(20_000)
  t.equal(await inBatches(queue, { statuses, isChosen: task => task.id % 1000 === 0 }, Infinity, take), 20)
  t.ok(read.length < 30, `${read.length} pages`)
})

t.test('no more tasks are acted on than the limit says', async t => {
  const { tasks, queue, take } = queueOf(1000)
  t.equal(await inBatches(queue, { statuses, isChosen: task => task.id % 2 === 0 }, 33, take), 33)
  t.equal(tasks.length, 967)
  t.equal(await inBatches(queue, { statuses }, 33, take), 33)
  t.equal(tasks.length, 934)
})
