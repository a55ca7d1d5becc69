// A process of the chaos run. It works, adds and cancels tasks as it is asked to, and writes what happens into its ledger.
import { setTimeout } from 'node:timers/promises'
import Fastify from 'fastify'
import tasks from '../../../index.ts'
import cluster, { type AddClusterTaskOptions, type KindOptions, type RunningTask } from '../../../lib/cluster/index.ts'
import { Ledger, now } from './ledger.ts'

export interface ChaosData {
  steps: number
  /** ms of each step. */
  ms: number
  /** How many attempts throw. */
  fails: number
}

/** Says which run wrote it. */
export interface ChaosProgress {
  done: number
  run: string
}

export interface Call {
  call: number
  add?: { data: ChaosData, options: AddClusterTaskOptions }
  cancel?: string
}

export interface Answer {
  call: number
  /** The name that a task was added with. */
  name?: string
  error?: string
}

const [, , directory, options, kindOptions] = process.argv as [string, string, string, string, string]
const ledger = new Ledger(directory)
let runs = 0

/** When the event loop last had a turn. On a busy machine a process may stand still although nobody froze it. */
let alive = now()
setInterval(() => {
  if (now() - alive > 1000) ledger.write('stood still', { at: alive, until: now() })
  alive = now()
}, 100).unref()

const app = Fastify({ logger: { level: 'info' } })
await app.register(tasks)
await app.register(cluster, JSON.parse(options))

const kind = app.cluster.defineTask('chaos', async (_app, task: RunningTask<ChaosData, ChaosProgress>) => {
  const { id, name, attempt, data, signal } = task
  const run = `${process.pid}/${++runs}`
  const from = task.progress?.run
  let done = task.progress?.done ?? 0
  const write = (what: 'started' | 'ended' | 'threw' | 'aborted') => ledger.write(what, { id, name, run, attempt, done, ...(from !== undefined && { from }) })
  write('started')
  task.progress = { done, run }
  try {
    while (done < data.steps) {
      await setTimeout(data.ms, undefined, { signal })
      task.progress = { done: ++done, run }
    }
    if (attempt <= data.fails) throw Object.assign(new Error('as it was told'), { code: run })
  } catch (error) {
    write(signal.aborted ? 'aborted' : 'threw')
    throw error
  }
  write('ended')
  return { run, done }
}, JSON.parse(kindOptions) as KindOptions)

async function add ({ data, options }: NonNullable<Call['add']>) {
  const { id, name } = await kind.addTask(data, options)
  ledger.write('added', { id, name })
  return name
}

async function cancel (name: string) {
  const task = await kind.getTask(name, { optional: true })
  if (task === undefined) return
  const { id } = task
  ledger.write('cancel asked', { id, name })
  await task.cancel({ timeout: 30_000 })
  ledger.write('cancel done', { id, name, status: task.status })
}

process.on('message', async ({ call, add: added, cancel: cancelled }: Call) => {
  const answer: Answer = { call }
  try {
    if (added !== undefined) answer.name = await add(added)
    if (cancelled !== undefined) await cancel(cancelled)
  } catch (error) {
    answer.error = (error as { code?: string }).code ?? String(error)
  }
  process.send?.(answer)
})

process.once('SIGTERM', async () => {
  await app.close()
  process.disconnect()
})
await app.ready()
process.send!({ call: 0 } satisfies Answer)
