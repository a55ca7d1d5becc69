import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
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

let tarball = ''
let packed: string[] = []

t.before(async () => {
  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text)
  const { stdout } = await run(root, 'npm', 'pack', '--json', '--silent', '--pack-destination', project)
  const [{ filename, files: paths }] = JSON.parse(stdout.slice(stdout.indexOf('[\n')))
  tarball = join(project, filename)
  packed = paths.map(({ path }: { path: string }) => path)
  await run(project, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', tarball)
})

t.teardown(() => rm(project, { recursive: true }))

t.test('the tarball holds dist, README and LICENSE and nothing else', async t => {
  for (const file of ['LICENSE', 'README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts', 'dist/types/fastify.d.ts']) {
    t.ok(packed.includes(file), file)
  }
  t.strictSame(packed.filter(file => !/^(LICENSE|README\.md|package\.json|dist\/.+\.(js|d\.ts))$/.test(file)), [])
})

t.test('publint finds nothing', async t => {
  t.match((await run(root, 'npx', 'publint', '--strict', tarball)).stdout, /All good/)
})

t.test('attw finds nothing', async t => {
  const { stdout } = await run(root, 'npx', 'attw', tarball, '--profile', 'esm-only', '--no-color')
  t.match(stdout, /node16 \(from ESM\) +│ 🟢 \(ESM\)/)
})

for (const file of ['import.mjs', 'require.cjs']) {
  t.test(`a user's ${file} runs without a warning`, async t => {
    const { stdout, stderr } = await run(project, process.execPath, file)
    t.equal(stdout, '42 FastifyError\n')
    t.equal(stderr, '')
  })
}

t.test('what npm installs from a Git repository is built', async t => {
  const [clone, user] = [join(project, 'clone'), join(project, 'user')]
  for (const name of ['index.ts', 'lib', 'types', 'tsconfig.json', 'tsconfig.build.json']) {
    await cp(join(root, name), join(clone, name), { recursive: true })
  }
  // npm installs all development dependencies to run the build of a repository; here, for speed, those that the build needs.
  const { devDependencies, ...manifest } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const isForBuild = (name: string) => /^(typescript$|@types\/)/.test(name) || name in manifest.peerDependencies
  await writeFile(join(clone, 'package.json'), JSON.stringify({
    ...manifest,
    devDependencies: Object.fromEntries(Object.entries(devDependencies).filter(([name]) => isForBuild(name)))
  }))
  const git = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgSign=false']
  await run(clone, 'git', 'init', '--quiet')
  await run(clone, 'git', 'add', '--all')
  await run(clone, 'git', ...git, 'commit', '--quiet', '--message=All')
  await run(project, 'git', 'clone', '--quiet', '--bare', clone, `${clone}.git`)

  await cp(join(project, 'import.mjs'), join(user, 'import.mjs'))
  await writeFile(join(user, 'package.json'), files['package.json'])
  await run(user, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', `git+${pathToFileURL(clone)}.git`)
  t.equal((await run(user, process.execPath, 'import.mjs')).stdout, '42 FastifyError\n')
})

const configs = modules.map(({ module }) => `tsconfig.${module}.json`)

for (const version of typescripts) {
  t.test(`a user's sources compile with TypeScript ${version} under every kind of module`, async t => {
    const tsc = ['--yes', `--package=typescript@${version}`, 'tsc']
    t.equal((await run(project, 'npx', ...tsc, '--version')).stdout, `Version ${version}\n`)
    const { code = 0, stdout, stderr } = await run(project, 'npx', ...tsc, '--build', '--force', ...configs).catch(error => error)
    t.strictSame({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' })
  })
}
