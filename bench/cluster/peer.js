// The other process: receives the bare messages, and runs the tasks that are cancelled.
import { now } from './cancel.js'
import { openBare, openTasks } from './contenders.js'

const [, , url] = process.argv
const bare = await openBare(url)
await bare.relay().subscribe('bare', () => process.send({ what: 'received', at: now() }))

await openTasks(url, app => {
  app.cluster.defineTask('endless', (app, { signal }) => new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => {
      process.send({ what: 'aborted', at: now() })
      reject(signal.reason)
    })
    process.send({ what: 'started' })
  }))
})
process.send({ what: 'ready' })
