// Runs TypeScript with spaces in place of its types: each line and column stays where it is, so stacks and coverage need no
// source maps. For `node --import`; tap passes it to the processes of the tests.
import * as module from 'node:module'

const hooks = new URL('./strip-types-hooks.js', import.meta.url)

// `module.register` runs hooks in a thread, and Node 26 warns of it. `module.registerHooks` has faults before Node 25.
if (parseInt(process.versions.node) >= 25) module.registerHooks({ load: (await import(hooks.href)).load })
else module.register(hooks)

// A timer whose delay is negative, not a number or too long fires at once. Node warns of it; a test fails.
process.on('warning', warning => {
  if (/^Timeout(Negative|NaN|Overflow)Warning$/.test(warning.name)) throw warning
})
