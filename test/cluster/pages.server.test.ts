import type { JobState } from 'bullmq'
import t from 'tap'
import { jobIdOf, nameOf } from '../../lib/cluster/bullmq/ids.ts'
import { blank, type TaskJob } from '../../lib/cluster/bullmq/job.ts'
import { readPage } from '../../lib/cluster/bullmq/pages.ts'
import { onEveryServer } from './fixtures/engines.ts'
import { openQueue } from './fixtures/queues.ts'

onEveryServer(t, (t, engine) => {
  t.test('tasks that are not kept any more leave no gap in the pages, and are not counted in offset', async t => {
    const queue = await openQueue(t, engine, `pages-${process.pid}`, 'queue')
    const add = (name: string, delay: number) => queue.add('task', {}, { jobId: jobIdOf(name), delay })
    // As of those that have settled, the last ones of a state are kept no more.
    for (let i = 0; i < 150; i++) await add(i < 10 ? `kept ${i}` : `expired ${i}`, 0)
    for (let i = 10; i < 40; i++) await add(`kept ${i}`, 60_000 + i)
    const toTask = async ({ id }: TaskJob, _state: JobState) => {
      const name = nameOf(id!)!
      return name.startsWith('expired') ? undefined : { ...blank, name }
    }
    const page = async (offset: number, limit: number) => (await readPage(queue, toTask, new Set(['deferred']), offset, limit, () => {})).map(({ name }) => name)
    const kept = Array.from({ length: 40 }, (_, i) => `kept ${i}`)
    t.strictSame(await page(0, 1000), kept)
    for (const limit of [1, 7, 40]) {
      for (let offset = 0; offset <= 40; offset += limit) t.strictSame(await page(offset, limit), kept.slice(offset, offset + limit), `${offset}, ${limit}`)
    }
  })
})
