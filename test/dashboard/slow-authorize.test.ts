import t from 'tap'
import type { TaskList } from '../../lib/dashboard/wire.ts'
import { untilAborted } from '../core/fixtures/app.ts'
import { getJson, startDashboard, watch } from './fixtures/dashboard.ts'

t.test('authorize is called for a hundred tasks at the same time, and no more', async t => {
  let open = 0
  let most = 0
  let asked = 0
  const answers: (() => void)[] = []
  const { app, url } = await startDashboard(t, {
    authorize: async (request, action) => {
      most = Math.max(most, ++open)
      if (action === 'view') {
        // No answer comes before a hundred are waited for, or the last ones.
        const answered = new Promise<void>(resolve => answers.push(resolve))
        if (++asked === 250 || answers.length === 100) for (const answer of answers.splice(0)) answer()
        await answered
      }
      open--
      return true
    }
  })
  for (let i = 0; i < 250; i++) app.addTask(untilAborted)
  let list: TaskList
  do {
    asked = 0
    for (const answer of answers.splice(0)) answer()
    list = await getJson(`${url}/tasks`)
  } while (list.pending > 0) // after a second, a list has what is known
  t.equal(list.counts.running, 250)
  t.equal(most, 100)
})

t.test('a list has what is known after a second, and says how many answers are missing', async t => {
  const { app, url } = await startDashboard(t, {
    authorize: (request, action, { name }) => name === 'slow' ? new Promise(() => {}) : Promise.resolve(true)
  })
  for (const name of ['one', 'slow', 'two']) app.addTask(untilAborted, { name })
  const { tasks, pending, total } = await getJson<TaskList>(`${url}/tasks`)
  t.strictSame(tasks.map(({ name }) => name), ['two', 'one'])
  t.equal(pending, 1)
  t.equal(total, 2)
})

t.test('an answer that comes late counts in the next list of a stream', async t => {
  let answer!: (answer: boolean) => void
  const late = new Promise<boolean>(resolve => { answer = resolve })
  const { app, url } = await startDashboard(t, {
    authorize: (request, action, { name }) => name === 'slow' ? late : Promise.resolve(true)
  })
  for (const name of ['one', 'slow']) app.addTask(untilAborted, { name })
  const events = await watch(t, `${url}/events`)
  t.match(await events.list(), { tasks: [{ name: 'one' }], pending: 1 })
  answer(true)
  t.match(await events.listWith(({ pending }) => pending === 0), { tasks: [{ name: 'slow' }, { name: 'one' }] })
})
