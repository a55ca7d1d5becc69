import { EventEmitter, once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import Fastify, { type InjectOptions } from 'fastify'
import t, { type Test } from 'tap'
import { recipes } from '../../examples/recipes.ts'
import type { LogLine } from '../core/fixtures/app.ts'
import { holdProcess } from '../core/fixtures/hold-process.ts'
import { runFixture } from '../core/fixtures/run-fixture.ts'

delete process.env.TASKS_URL // the programs are to do without
t.beforeEach(holdProcess)

const folder = new URL('../../examples/', import.meta.url)
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
const sources = files.map(file => readFileSync(new URL(file, folder), 'utf8'))

function runExample (t: Test, args: string[]) {
  process.env.PORT = '0'
  return runFixture(t, '../../../examples/index.ts', args)
}

t.test('without a name the recipes are listed, one line each', async t => {
  const { code, stdout, stderr } = await runExample(t, []).ended

  t.equal(code, 0)
  t.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n').slice(1)
  t.strictSame(lines.map(line => line.trim().split(/ +/)[0]), recipes.map(({ name }) => name))
})

t.test('an unknown name is an error, followed by the list', async t => {
  const { code, stdout, stderr } = await runExample(t, ['corn']).ended

  t.equal(code, 1)
  t.match(stderr, 'There is no example "corn"')
  t.match(stdout, /cron +work on a schedule/)
})

t.test('a recipe is run by its name, and SIGTERM ends it', async t => {
  const { child, ended } = runExample(t, ['every-minute'])
  let said = ''
  child.stdout!.on('data', chunk => {
    said += chunk
    if (said.includes('Try: ')) child.kill('SIGTERM')
  })

  t.match(await ended, { code: 0, stdout: /Try: watch the log/, stderr: '' })
})

t.test('every recipe is listed', async t => {
  const programs = files.filter((_, index) => sources[index]!.includes('export async function program'))

  t.strictSame(programs.map(file => file.replace(/(\/index)?\.ts$/, '')).sort(), recipes.map(({ name }) => name))
})

t.test('no two programs define the same kind, since one server may have the tasks of both', async t => {
  const kinds = sources.flatMap(source => [...source.matchAll(/\bdefineTask\('([^']+)'/g)].map(([, kind]) => kind!))

  t.ok(kinds.length > 0)
  t.strictSame(kinds.toSorted(), [...new Set(kinds)].sort())
})

/** What to wait for, where there is more than a start. */
const messages: Record<string, string> = { cron: 'cleaned up', fleet: 'task started', readiness: 'task started', 'every-minute': 'cleaned up', schedule: 'task completed', progress: 'task completed' }

/** What to send to the program of a recipe that does nothing by itself. */
const requests: Record<string, InjectOptions> = {
  'at-most-n': { method: 'PUT', url: '/videos/1' },
  fleet: { method: 'PUT', url: '/reports/2026' },
  metrics: { method: 'POST', url: '/reports' },
  'per-user': { method: 'POST', url: '/process/users/ada/imports' },
  'otel-metrics': { method: 'POST', url: '/reports' },
  progress: { method: 'POST', url: '/reports' },
  readiness: { method: 'POST', url: '/thumbnails' },
  retries: { method: 'POST', url: '/orders', payload: { pizzas: 3 } },
  sentry: { method: 'POST', url: '/reports' },
  thread: { method: 'PUT', url: '/primes/100' },
  tracing: { method: 'POST', url: '/reports' },
  upload: { method: 'POST', url: '/imports', headers: { 'content-type': 'text/csv' }, payload: 'ada,1815\n' }
}

for (const { name, load } of recipes.filter(({ needs }) => needs === undefined)) {
  t.test(`the program of ${name} starts, takes a task and closes`, async t => {
    const lines: LogLine[] = []
    const logged = new EventEmitter()
    function write (text: string) {
      const line: LogLine = JSON.parse(text)
      lines.push(line)
      logged.emit(line.msg)
    }
    const app = Fastify({ logger: { level: 'debug', stream: { write } } })
    t.teardown(() => app.close())
    const { program } = await load()
    await program(app)
    await app.ready()

    const message = messages[name]
    const said = message === undefined ? undefined : once(logged, message)
    const request = requests[name]
    if (request !== undefined) t.equal((await app.inject(request)).statusCode, 202)
    await said
    await app.close()

    t.equal(lines.some(line => line.msg === 'task started'), name !== 'websocket')
    t.notOk(lines.some(line => line.level >= 40 && !['nobody is at home', 'no data'].includes(line.err?.message ?? '')), 'no warning, no error')
  })
}
