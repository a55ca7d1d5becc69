import { Queue } from 'bullmq'
import t from 'tap'
import { onEveryServer } from './fixtures/engines.ts'
import { buildFleet } from './fixtures/fleet.ts'

/** The names whose next add is preceded by that of another process, which was sent long ago and arrives only now. */
const preceded = new Map<string, object>()
const { add } = Queue.prototype
Queue.prototype.add = async function (this: Queue, name, data, options) {
  const late = preceded.get(options?.jobId ?? '')
  if (late !== undefined) {
    preceded.delete(options!.jobId!)
    await add.call(this, name, late, options)
  }
  return await add.call(this, name, data, options)
}

onEveryServer(t, (t, engine) => {
  t.test('a task is not said to be added if that of another process has taken its name at the last moment', async t => {
    const [{ kind }] = await buildFleet(t, engine, () => {}, { plugin: { work: false }, apps: 1 })
    preceded.set('~late', { id: 7, value: 'of another' })
    await t.rejects(kind.addTask('mine', { name: 'late' }), { code: 'FST_ERR_TASK_DUPLICATE_NAME' })
    t.equal(preceded.size, 0)
    t.match(await kind.getTask('late'), { id: 7, data: 'of another' })
    preceded.set('~kept', { id: 8, value: 'of another' })
    t.match(await kind.addTask('mine', { name: 'kept', onDuplicate: 'keep' }), { id: 8, data: 'of another' })
  })
})
