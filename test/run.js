// Runs tap with the arguments given. Prints its files, its failures and the coverage, and closes with tap's counts on one
// plain line.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const inFile = /^\s+(ok |# Subtest|# time|1\.\.\d)|^\s*$/

const tap = spawn('tap', process.argv.slice(2), { stdio: ['inherit', 'pipe', 'inherit'] })
const close = once(tap, 'close')
let counts = ''
for await (const line of createInterface({ input: tap.stdout })) {
  if (!inFile.test(line)) console.log(line)
  counts = /^# \{ (total: .+) \}$/.exec(line)?.[1] ?? counts
}
const [code] = await close
const count = name => Number(RegExp(`${name}: (\\d+)`).exec(counts)?.[1] ?? 0)
console.log(`${count('pass')} passed, ${count('fail')} failed`)
process.exitCode = code ?? 1
