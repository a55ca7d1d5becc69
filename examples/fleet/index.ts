// A fleet of two processes: this one serves, the other one runs the tasks. Without TASKS_URL there is no server where both
// would find the tasks; then this process does both.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import reports from './reports.ts'
import web from './web.ts'

/** Starts and stops the worker with the app. The worker stops first, so that it hands over while the server still answers. */
function startWorker (app: FastifyInstance) {
  let worker: ChildProcess
  app.addHook('onReady', async () => {
    // Ctrl-C signals all processes of the terminal. A detached worker gets its signal from us alone.
    worker = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), { detached: true })
    const ended = once(worker, 'exit').then(() => { throw new Error('The worker has not started') })
    await Promise.race([once(worker, 'message'), ended])
  })
  app.addHook('onClose', async () => {
    if (worker?.kill('SIGTERM')) await once(worker, 'exit')
  })
}

export async function program (app: FastifyInstance) {
  const { TASKS_URL } = process.env
  if (TASKS_URL === undefined) {
    app.log.info('no TASKS_URL: this process serves and runs the tasks')
    await app.register(reports)
  } else {
    await app.register(reports, { connection: TASKS_URL, work: false })
    startWorker(app)
  }
  await app.register(web)
}
