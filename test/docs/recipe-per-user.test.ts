import { EventEmitter, once } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { perUser, perUserInFleet } from '../../examples/per-user.ts'
import cluster from '../../lib/cluster/index.ts'
import { buildApp } from '../core/fixtures/app.ts'

for (const [where, recipe] of Object.entries({ 'one process': perUser, 'a fleet': perUserInFleet })) {
  t.test(`in ${where} a user has at most two tasks, also when requests come together`, async t => {
    const { app } = await buildApp(t)
    await app.register(cluster)
    const end = new EventEmitter()
    await app.register(recipe, { work: async (_app: unknown, { signal }: { signal: AbortSignal }) => { await once(end, 'end', { signal }) } })
    await app.ready()
    const add = (user: string) => app.inject({ method: 'POST', url: `/users/${user}/imports` })
    const codes = async (user: string, count: number) => (await Promise.all(Array.from({ length: count }, () => add(user)))).map(({ statusCode }) => statusCode).sort()

    t.strictSame(await codes('ada', 5), [202, 202, 429, 429, 429])
    t.match((await add('ada')).json(), { statusCode: 429, error: 'Too Many Requests' })
    t.strictSame(await codes('grace', 1), [202], 'another user is not concerned')

    while (await add('ada').then(({ statusCode }) => statusCode) === 429) {
      end.emit('end')
      await nextTurn()
    }
    await app.close()
  })
}
