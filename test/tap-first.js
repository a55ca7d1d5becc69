// For `node --import`, before the hooks that watch and strip modules: loads tap. Node 20 runs hooks in a thread and sends it a message
// for each module, and tap has hundreds: loaded after them, it makes the start of a test process half as long again.
import { load } from 'signal-exit'

load() // tap puts `process.emit` back as it finds it, so what a file does that hangs is said only if this has changed it before
await import('tap')

// It is for the test file alone: a process that it starts needs no tap. (tap puts options into quotes.)
process.env.NODE_OPTIONS = process.env.NODE_OPTIONS.replace(/"?--import=\.\/test\/tap-first\.js"? ?/, '')
