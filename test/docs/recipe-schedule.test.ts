import t from 'tap'
import schedule from '../../examples/schedule.ts'
import { onEveryEngine } from '../cluster/fixtures/engines.ts'
import { buildApp } from '../cluster/fixtures/fleet.ts'

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

interface CleanUp { name: string, status: string }

onEveryEngine(t, (t, engine) => {
  t.test('each time of a schedule runs once, in whichever process', async t => {
    const prefix = `schedule-${process.pid}`
    const apps = await Promise.all([0, 1].map(async () => {
      const { app, lines } = await buildApp(t, engine, { prefix })
      await app.register(schedule, { when: { cron: '* * * * * *' } })
      await app.ready()
      return { app, lines }
    }))
    const completed = async () => {
      const tasks = (await apps[0]!.app.inject('/clean-ups')).json<CleanUp[]>()
      return tasks.filter(({ status }) => status === 'completed').length
    }
    while (await completed() < 2) await sleep(20)

    t.match((await apps[0]!.app.inject('/schedules')).json(), [{ name: 'nightly', cron: '* * * * * *' }])
    const runs = apps.flatMap(({ lines }) => lines).filter(({ msg }) => msg.startsWith('cleaned up'))
    if (engine.connection !== undefined) t.equal(new Set(runs.map(({ msg }) => msg)).size, runs.length, 'none twice')

    t.equal((await apps[0]!.app.inject({ method: 'DELETE', url: '/schedules/nightly' })).statusCode, 204)
    t.strictSame((await apps[0]!.app.inject('/schedules')).json(), [])
  })
})
