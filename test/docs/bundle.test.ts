// An app that imports the three wings can be bundled, with the page in it.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import t from 'tap'

const root = fileURLToPath(new URL('../../', import.meta.url))

const app = `
import Fastify from 'fastify'
import tasks from 'fastify-tasks'
import cluster from 'fastify-tasks/cluster'
import dashboard from 'fastify-tasks/dashboard'
const app = Fastify()
app.register(tasks)
app.register(cluster)
app.register(dashboard, { prefix: '/tasks', onRequest: false })
app.listen({ port: 0, host: '127.0.0.1' }).then(console.log)
`

for (const [format, extension] of [['esm', 'mjs'], ['cjs', 'cjs']] as const) {
  t.test(`bundled as ${format} an app serves the page`, async t => {
    if (!existsSync(join(root, 'dist/lib/dashboard/built.js'))) execFileSync('npm', ['run', 'build'], { cwd: root })
    const folder = t.testdir()
    const outfile = join(folder, `app.${extension}`)
    await build({
      stdin: { contents: app, resolveDir: root },
      bundle: true,
      platform: 'node',
      format,
      outfile,
      logLevel: 'silent',
      external: ['bullmq', 'ioredis', 'pg'],
      banner: format === 'esm' ? { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" } : {}
    })
    const server = spawn(process.execPath, [outfile], { cwd: folder, env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => server.kill())
    const [address] = await once(createInterface(server.stdout), 'line')
    t.match(await (await fetch(`${address}/tasks/`)).text(), '<title>Tasks</title>')
    t.match(await (await fetch(`${address}/tasks/main.js`)).text(), 'EventSource')
    t.match(await (await fetch(`${address}/tasks/health`)).json(), { versions: { 'fastify-tasks': /^\d/ } })
    t.match(await (await fetch(`${address}/tasks/kinds`)).json(), { kinds: [] })
  })
}
