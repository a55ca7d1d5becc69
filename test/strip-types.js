// Runs TypeScript with its types blanked out: every line and column stays where it is, so that stacks and coverage need no
// source maps. For `node --import`; tap gives it to the processes of the tests.
import * as module from 'node:module'

const hooks = new URL('./strip-types-hooks.js', import.meta.url)

// Node 26 warns of the old kind of hooks, which run in a thread; the new kind is not sound before Node 25.
if (parseInt(process.versions.node) >= 25) module.registerHooks({ load: (await import(hooks.href)).load })
else module.register(hooks)
