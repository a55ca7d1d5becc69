import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const root = fileURLToPath(new URL('../..', import.meta.url))
const project = await mkdtemp(join(tmpdir(), 'fastify-tasks-')) // where none of our own node_modules is found

/** Runs a command as a user would: tap gives the processes that a test spawns its own NODE_OPTIONS back. */
function run (cwd: string, command: string, ...args: string[]) {
  return promisify(execFile)('env', ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE', command, ...args], { cwd })
}

const typescripts = ['5.9.3', '6.0.3', '7.0.2'] // exact versions, so that npx need not ask for the latest
const modules = [
  { module: 'nodenext' },
  { module: 'node16' },
  { module: 'esnext', moduleResolution: 'bundler' },
  { module: 'preserve' }
]

const files = {
  'package.json': JSON.stringify({ private: true, dependencies: { fastify: '5', '@types/node': '20' } }),
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
  ...Object.fromEntries(modules.map(options => [`tsconfig.${options.module}.json`, JSON.stringify({
    compilerOptions: {
      ...options,
      target: 'es2022',
      lib: ['es2022'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true
    },
    files: options.module === 'nodenext' ? ['app.mts', 'app.cts'] : ['app.mts'] // where alone a require() takes ES modules
  })])),
  'app.mts': `
    import Fastify from 'fastify'
    import tasks, { errors, type Task } from 'fastify-tasks'
    const app = Fastify()
    await app.register(tasks, { maxTasks: 10 })
    const task: Task<number> = app.addTask(async (app, { signal }) => signal.aborted ? 0 : 1, { name: 'one' })
    export const result: number = await task.finished
    export const statusCode: 404 = new errors.FST_ERR_TASK_NOT_FOUND('one').statusCode
    // @ts-expect-error a name is a string, so errors are no any
    export const error = new errors.FST_ERR_TASK_NOT_FOUND(1)
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
}

const installed = join(project, 'node_modules/fastify-tasks')
let tarball = ''

// npm takes the package from a Git repository, where it has to build it; what it then has is what it would publish.
t.before(async () => {
  const clone = join(project, 'clone')
  for (const name of ['README.md', 'LICENSE', 'index.ts', 'lib', 'types', 'tsconfig.json', 'tsconfig.build.json', 'test/strip-types.js', 'test/strip-types-hooks.js']) {
    await cp(join(root, name), join(clone, name), { recursive: true })
  }
  // For that, npm installs all development dependencies: here, to save time, those that the build needs.
  const { devDependencies, ...manifest } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const isForBuild = (name: string) => /^(typescript$|esbuild$|@swc\/wasm-typescript$|@types\/)/.test(name) || name in manifest.peerDependencies
  await writeFile(join(clone, 'package.json'), JSON.stringify({
    ...manifest,
    devDependencies: Object.fromEntries(Object.entries(devDependencies).filter(([name]) => isForBuild(name)))
  }))
  await run(clone, 'git', 'init', '--quiet')
  await run(clone, 'git', 'add', '--all')
  const author = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false']
  await run(clone, 'git', ...author, 'commit', '--quiet', '--message=All')
  await run(project, 'git', 'clone', '--quiet', '--bare', clone, `${clone}.git`)

  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text)
  await run(project, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', `git+${pathToFileURL(clone)}.git`)
  const { stdout } = await run(project, 'npm', 'pack', '--json', '--ignore-scripts', installed)
  tarball = join(project, JSON.parse(stdout)[0].filename)
})

t.teardown(() => rm(project, { recursive: true }))

t.test('the package holds dist, README and LICENSE and nothing else', async t => {
  const entries = await readdir(installed, { recursive: true, withFileTypes: true })
  const packed = entries.filter(entry => entry.isFile()).map(entry => relative(installed, join(entry.parentPath, entry.name)))
  for (const file of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'dist/types/fastify.d.ts', 'dist/lib/dashboard/built.js']) {
    t.ok(packed.includes(file), file)
  }
  t.strictSame(packed.filter(file => !/^(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts)|dist\/lib\/dashboard\/browser\/(page\.html|style\.css))$/.test(file)), [])
})

t.test('publint reports no problem', async t => {
  t.match((await run(root, 'npx', 'publint', '--strict', tarball)).stdout, /All good/)
})

t.test('attw reports no problem', async t => {
  const { stdout } = await run(root, 'npx', 'attw', tarball, '--profile', 'esm-only', '--format', 'ascii', '--no-color')
  for (const entry of ['fastify-tasks', 'fastify-tasks/cluster', 'fastify-tasks/dashboard']) {
    t.match(stdout, `"${entry}"\n\nnode16 (from ESM): 🟢 (ESM)\n`)
  }
})

for (const file of ['import.mjs', 'require.cjs']) {
  t.test(`a user's ${file} runs without a warning`, async t => {
    const { stdout, stderr } = await run(project, process.execPath, file)
    t.equal(stdout, '42 FastifyError\n')
    t.equal(stderr, '')
  })
}

const configs = modules.map(({ module }) => `tsconfig.${module}.json`)

for (const version of typescripts) {
  t.test(`a user's sources compile with TypeScript ${version} under every kind of module`, async t => {
    const tsc = ['--yes', `--package=typescript@${version}`, 'tsc']
    t.equal((await run(project, 'npx', ...tsc, '--version')).stdout, `Version ${version}\n`)
    const { code = 0, stdout, stderr } = await run(project, 'npx', ...tsc, '--build', '--force', ...configs).catch(error => error)
    t.strictSame({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  })
}
