// Runs the tests with tap. Prints each file with its time, the failures, the coverage, what was left out and how to run it, and
// closes with the counts on one line.
//
//   node test/run.js quick            no server, browser or network: what `npm test` runs
//   node test/run.js all              everything, with coverage: `npm run test:all`
//   node test/run.js FILE …           these files
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { skipWithout, startServer } from './cluster/fixtures/servers.ts'

/** What a test file needs, by the end of its name. */
const needs = {
  '.server.test.ts': 'Redis and PostgreSQL',
  '.browser.test.ts': 'Chromium',
  '.network.test.ts': 'the npm registry',
  '.slow.test.ts': 'minutes'
}

const [scope, ...options] = process.argv.slice(2)
const isQuick = scope === 'quick'
const files = readdirSync('test', { recursive: true }).filter(file => file.endsWith('.test.ts')).map(file => `test/${file}`).sort()
const leftOut = isQuick ? files.filter(file => needOf(file) !== undefined) : []
const nodeOptions = ['--import=./test/tap-first.js', process.env.NODE_OPTIONS].filter(Boolean).join(' ')
const args = isQuick // coverage is that of all tests, and could not be measured with tap loaded first
  ? ['--disable-coverage', '--jobs=4', `--test-env=NODE_OPTIONS=${nodeOptions}`, ...options, ...files.filter(file => !leftOut.includes(file))]
  : scope === 'all' ? options : [scope, ...options]

function needOf (file) {
  return Object.keys(needs).find(end => file.endsWith(end))
}

/** Starts the servers that the tests share, and tells the tests where they are. What is missing they skip by themselves. */
async function startServers () {
  const servers = []
  for (const [name, variable, args] of [['redis', 'TEST_REDIS_URL', []], ['postgres', 'TEST_POSTGRES_URL', ['-c', 'max_connections=400']]]) {
    if (process.env[variable] !== undefined || skipWithout(name)) continue
    const server = await startServer(name, { args })
    process.env[variable] = server.url
    servers.push(server)
  }
  return servers
}

/** What is printed of TAP: not each assertion, not the empty lines. */
const isDetail = line => /^\s+(ok |# Subtest|# time|1\.\.\d)|^\s*$/.test(line)

const command = fileURLToPath(new URL('../node_modules/.bin/tap', import.meta.url))

/**
 * Builds tap with the plugins of .taprc, as its first run does by itself, but before that run: else all of its test processes load
 * the plugins that are left out, TypeScript's compiler among them.
 */
function buildTap () {
  const built = new URL('../node_modules/@tapjs/test/test-built/dist/esm/index.js', import.meta.url)
  if (!existsSync(built) || readFileSync(built, 'utf8').includes('@tapjs/typescript')) execFileSync(command, ['build'], { stdio: 'inherit' })
}

buildTap()
const servers = isQuick ? [] : await startServers()
const tap = spawn(command, ['run', ...args], {
  stdio: ['inherit', 'pipe', 'inherit'],
  env: { ...process.env, ...isQuick && { TEST_SCOPE: 'quick' } }
})
const close = once(tap, 'close')
const skipped = new Map()
let counts = ''
for await (const line of createInterface({ input: tap.stdout })) {
  const reason = /^\s+ok .* # SKIP (.+?)(?: # time.*)?$/.exec(line)?.[1]
  if (reason !== undefined) skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
  if (!isDetail(line)) console.log(line)
  counts = /^# \{ (total: .+) \}$/.exec(line)?.[1] ?? counts
}
const [code] = await close
await Promise.all(servers.map(server => server.remove()))

console.log()
for (const [reason, count] of skipped) console.log(`${count} skipped for want of ${reason}`)
for (const [end, what] of Object.entries(needs)) {
  const count = leftOut.filter(file => file.endsWith(end)).length
  if (count > 0) console.log(`${count} files left out that need ${what}: npm run test:all`)
}
const count = name => Number(RegExp(`${name}: (\\d+)`).exec(counts)?.[1] ?? 0)
console.log(`${count('pass')} passed, ${count('fail')} failed`)
process.exitCode = code ?? 1
