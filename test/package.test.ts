import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const run = promisify(execFile)
const { NODE_OPTIONS: _, ...env } = process.env // what the project's own run needs is not the user's

/** Runs Node as a user would: tap gives the processes that a test spawns its own NODE_OPTIONS back. */
function runNode (...args: string[]) {
  return run('env', ['-u', 'NODE_OPTIONS', process.execPath, ...args], { cwd: project, env })
}

const typescripts = ['5.9', '6', '7']

const project = t.testdir({
  'package.json': JSON.stringify({
    private: true,
    dependencies: { fastify: '5', '@types/node': '20' },
    devDependencies: Object.fromEntries(typescripts.map(version => [`typescript-${version}`, `npm:typescript@${version}`]))
  }),
  'import.mjs': `
    import tasks, { errors } from 'fastify-tasks'
    import Fastify from 'fastify'
    const app = Fastify()
    await app.register(tasks)
    await app.ready()
    console.log(app.addTask(() => 42).result, errors.FST_ERR_TASK_NOT_FOUND.name)
    await app.close()
  `,
  'require.cjs': `
    const tasks = require('fastify-tasks')
    const app = require('fastify')()
    app.register(tasks)
    app.ready().then(() => {
      console.log(app.addTask(() => 42).result, tasks.errors.FST_ERR_TASK_NOT_FOUND.name)
      return app.close()
    })
  `,
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'es2022',
      lib: ['es2022'],
      module: 'nodenext',
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true
    },
    files: ['app.mts', 'app.cts']
  }),
  'app.mts': `
    import Fastify from 'fastify'
    import tasks, { errors, type Task } from 'fastify-tasks'
    const app = Fastify()
    await app.register(tasks, { maxTasks: 10 })
    const task: Task<number> = app.addTask(async (app, { signal }) => signal.aborted ? 0 : 1, { name: 'one' })
    export const result: number = await task.finished
    export const error = new errors.FST_ERR_TASK_NOT_FOUND('one')
    // @ts-expect-error a misspelt option
    app.addTask(async () => {}, { nmae: 'one' })
    await app.getTask('one')[Symbol.asyncDispose]()
  `,
  'app.cts': `
    import Fastify from 'fastify'
    import tasks = require('fastify-tasks')
    const app = Fastify()
    app.register(tasks.default)
    export const result: Promise<number> = app.addTask(Promise.resolve(1)).finished
  `
})

let tarball = ''
let packed: string[] = []

t.before(async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', project], { cwd: root, env })
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')))
  tarball = join(project, filename)
  packed = files.map(({ path }: { path: string }) => path)
  await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball], { cwd: project, env })
})

t.test('the tarball holds dist, README and LICENSE and nothing else', async t => {
  for (const file of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'dist/types/fastify.d.ts']) {
    t.ok(packed.includes(file), file)
  }
  t.strictSame(packed.filter(file => !/^(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts))$/.test(file)), [])
})

t.test('publint finds nothing', async t => {
  t.match((await run('npx', ['publint', '--strict'], { cwd: root, env })).stdout, /All good/)
})

t.test('attw finds nothing', async t => {
  const { stdout } = await run('npx', ['attw', tarball, '--profile', 'esm-only', '--no-color'], { cwd: root, env })
  t.match(stdout, /node16 \(from ESM\) +│ 🟢 \(ESM\)/)
})

for (const file of ['import.mjs', 'require.cjs']) {
  t.test(`a user's ${file} runs without a warning`, async t => {
    const { stdout, stderr } = await runNode(file)
    t.equal(stdout, '42 FastifyError\n')
    t.equal(stderr, '')
  })
}

for (const version of typescripts) {
  t.test(`a user's sources compile with TypeScript ${version}`, async t => {
    const tsc = join(project, 'node_modules', `typescript-${version}`, 'bin/tsc')
    t.match((await runNode(tsc, '--version')).stdout, `Version ${version}.`)
    const { code = 0, stdout, stderr } = await runNode(tsc).catch(error => error)
    t.strictSame({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  })
}
