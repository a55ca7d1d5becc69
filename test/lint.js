// ESLint and the type checks, side by side. Prints what each says once it has ended.
import { exec } from 'node:child_process'

const commands = ['eslint', 'tsc', 'tsc -p lib/dashboard/browser']

for (const command of commands) {
  exec(command, (error, stdout, stderr) => {
    process.stdout.write(stdout + stderr)
    if (error !== null) {
      console.error(`${command} failed`)
      process.exitCode = 1
    }
  })
}
